package dynamo

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/store/awsfault"
	"gakushoku/internal/store/awsfault/awsfaulttest"
	"gakushoku/internal/store/dynamo/feed"
)

// calls is every method that talks to the store, by name.
func calls(client *dynamodb.Client) map[string]func(context.Context) error {
	events, tables, control := NewEvents(client, "events"), NewTables(client, Options{}), NewControl(client, "control")
	ledger := NewLedger(client, "control")
	two := []event.Event{testEvent("e1"), testEvent("e2")}
	return map[string]func(context.Context) error{
		"Append":         func(ctx context.Context) error { return events.Append(ctx, "order-o1", 0, two[:1]) },
		"Append several": func(ctx context.Context) error { return events.Append(ctx, "order-o1", 0, two) },
		"Load":           func(ctx context.Context) error { _, err := events.Load(ctx, "order-o1", 0); return err },
		"LoadMany": func(ctx context.Context) error {
			_, err := events.LoadMany(ctx, []string{"order-o1", "order-o2"})
			return err
		},
		"Streams": func(ctx context.Context) error { _, _, err := events.Streams(ctx, eventstore.All, "", 10); return err },
		"Read": func(ctx context.Context) error {
			_, _, err := feed.New(client, nil, "events").Read(ctx, "", 10)
			return err
		},
		"Create": func(ctx context.Context) error { return tables.Create(ctx, ordersV1) },
		"Drop":   func(ctx context.Context) error { return tables.Drop(ctx, ordersV1) },
		"Records": func(ctx context.Context) error {
			_, err := tables.Records(ctx, ordersV1, []string{"order-o1"})
			return err
		},
		"Write a group": func(ctx context.Context) error {
			_, err := tables.Write(ctx, ordersV1, []projection.Change{testChange("order-o1", 1, oneOrder())})
			return err
		},
		"Write a row": func(ctx context.Context) error {
			change := testChange("order-o1", 1)
			change.Place.Bucket = ""
			_, err := tables.Write(ctx, ordersV1, []projection.Change{change})
			return err
		},
		"Record": func(ctx context.Context) error { _, err := tables.Record(ctx, ordersV1, "order-o1"); return err },
		"List": func(ctx context.Context) error {
			_, err := tables.List(ctx, ordersV1, "2026-01-24", "", 10)
			return err
		},
		"Buckets": func(ctx context.Context) error { _, err := tables.Buckets(ctx, ordersV1, "", 10); return err },
		"Total":   func(ctx context.Context) error { _, err := tables.Total(ctx, ordersV1, "2026-01-24"); return err },
		"Totals":  func(ctx context.Context) error { _, err := tables.Totals(ctx, ordersV1); return err },
		"Scan": func(ctx context.Context) error {
			_, _, err := tables.Scan(ctx, ordersV1, eventstore.All, "", 10)
			return err
		},
		"ParkedRecords": func(ctx context.Context) error { _, _, err := tables.ParkedRecords(ctx, ordersV1, "", 10); return err },
		"Pointer":       func(ctx context.Context) error { _, err := control.Pointer(ctx, "orders"); return err },
		"SetPointer": func(ctx context.Context) error {
			return control.SetPointer(ctx, projection.Pointer{Projection: "orders"})
		},
		"Checkpoint": func(ctx context.Context) error { _, err := control.Checkpoint(ctx, "projector"); return err },
		"SetCheckpoint": func(ctx context.Context) error {
			return control.SetCheckpoint(ctx, "projector", projection.Checkpoint{})
		},
		"PutPart":   func(ctx context.Context) error { _, err := tables.PutPart(ctx, ordersV1, testPart("a", 1)); return err },
		"Finish":    func(ctx context.Context) error { return tables.Finish(ctx, ordersV1) },
		"Head":      func(ctx context.Context) error { _, err := ledger.Head(ctx); return err },
		"Claimed":   func(ctx context.Context) error { _, err := ledger.Claimed(ctx, "100"); return err },
		"Manifests": func(ctx context.Context) error { _, err := ledger.Manifests(ctx, 0, 10); return err },
		"Commit":    func(ctx context.Context) error { return ledger.Commit(ctx, testCommit(1, "100")) },
		"Restore": func(ctx context.Context) error {
			return ledger.Restore(ctx, []eventlog.Manifest{testCommit(1, "100").Manifest})
		},
	}
}

func TestPassingFaultsAreUnavailable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status     int
		body       string
		retryAfter time.Duration
	}{
		"a throttled table":       {http.StatusBadRequest, refusal("ProvisionedThroughputExceededException"), awsfault.ThrottledFor},
		"a throttled account":     {http.StatusBadRequest, refusal("ThrottlingException"), awsfault.ThrottledFor},
		"a request limit":         {http.StatusBadRequest, refusal("RequestLimitExceeded"), awsfault.ThrottledFor},
		"an internal error":       {http.StatusInternalServerError, refusal("InternalServerError"), 0},
		"a 503 without a code":    {http.StatusServiceUnavailable, "busy", 0},
		"a gateway's HTML answer": {http.StatusBadGateway, "<html>bad gateway</html>", 0},
	} {
		for call := range calls(nil) {
			t.Run(name+" makes "+call+" unavailable after a few tries", func(t *testing.T) {
				t.Parallel()
				var sent atomic.Int64
				err := calls(fakeClient(answer(c.status, c.body, &sent)))[call](t.Context())
				if fault.ClassOf(err) != fault.Infra {
					t.Errorf("got class %s: %v", fault.ClassOf(err), err)
				}
				if got := fault.RetryAfter(err); got != c.retryAfter {
					t.Errorf("retry after %s, want %s", got, c.retryAfter)
				}
				// Calls of several parts send each part, but no part more often than that.
				if n := sent.Load(); n < 2 || n > maxAttempts*totalShards {
					t.Errorf("sent %d times", n)
				}
			})
		}
	}
}

func TestBrokenConnectionsAreUnavailable(t *testing.T) {
	t.Parallel()
	broken := transport(func(*http.Request) (*http.Response, error) { return nil, errors.New("connection reset by a test") })
	for name, call := range calls(fakeClient(broken)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := call(t.Context()); fault.ClassOf(err) != fault.Infra {
				t.Errorf("got class %s: %v", fault.ClassOf(err), err)
			}
		})
	}
}

// anything is a service that carries everything out.
func anything(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	io.WriteString(w, `{"Table":{"TableStatus":"ACTIVE"}}`)
}

func slowDown(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(http.StatusBadRequest)
	io.WriteString(w, refusal("ThrottlingException"))
}

func TestUnknownOutcomesAreUnavailable(t *testing.T) {
	t.Parallel()
	for _, f := range awsfaulttest.Faults {
		address := awsfaulttest.Serve(t, &awsfaulttest.Proxy{Target: http.HandlerFunc(anything), Throttle: slowDown, Plan: awsfaulttest.Always(f)})
		for name, call := range calls(dynamodb.New(options(address, hurried))) {
			t.Run(name+" meets "+string(f), func(t *testing.T) {
				t.Parallel()
				if err := call(t.Context()); fault.ClassOf(err) != fault.Infra {
					t.Errorf("got class %s: %v", fault.ClassOf(err), err)
				}
			})
		}
	}
}

// What breaks off may have said anything, also that it is the table that is busy.
func TestARefusalThatBreaksOffIsUnavailable(t *testing.T) {
	t.Parallel()
	refusing := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, refusal("ConditionalCheckFailedException"))
	}
	address := awsfaulttest.Serve(t, &awsfaulttest.Proxy{Target: http.HandlerFunc(refusing), Plan: awsfaulttest.Always(awsfaulttest.Cut)})
	for name, call := range calls(dynamodb.New(options(address, hurried))) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := call(t.Context()); fault.ClassOf(err) != fault.Infra || errors.Is(err, eventstore.ErrConflict) {
				t.Errorf("class %s: %v", fault.ClassOf(err), err)
			}
		})
	}
}

func TestADescriptionThatDescribesNothingIsUnavailable(t *testing.T) {
	t.Parallel()
	all := calls(fakeClient(answer(http.StatusOK, "{}", new(atomic.Int64))))
	for _, name := range []string{"Create", "Drop", "Read"} {
		if err := all[name](t.Context()); fault.ClassOf(err) != fault.Infra {
			t.Errorf("%s: class %s: %v", name, fault.ClassOf(err), err)
		}
	}
}

// silentServer takes requests and never answers.
func silentServer(t *testing.T) *httptest.Server {
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // a server notices that the client went away only after the body
		<-r.Context().Done()
	}))
	t.Cleanup(silent.Close)
	return silent
}

func TestSilentStoreIsUnavailable(t *testing.T) {
	t.Parallel()
	silent := silentServer(t)
	client := dynamodb.New(options(silent.URL, hurried, func(o *dynamodb.Options) {
		o.HTTPClient = awshttp.NewBuildableClient().WithTimeout(20 * time.Millisecond)
	}))
	for name, call := range calls(client) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := call(t.Context()); fault.ClassOf(err) != fault.Infra {
				t.Errorf("got class %s: %v", fault.ClassOf(err), err)
			}
		})
	}
}

func TestEndedContextComesBackAsItIs(t *testing.T) {
	t.Parallel()
	silent := silentServer(t)
	client := dynamodb.New(options(silent.URL))
	for name, call := range calls(client) {
		t.Run(name+" before it began", func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := call(ctx); err != context.Canceled {
				t.Errorf("got %v", err)
			}
		})
		t.Run(name+" while it waits", func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if err := call(ctx); err != context.DeadlineExceeded {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRefusalsThatNobodyWaitsOutAreBugs(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"AccessDeniedException", "ValidationException", "UnrecognizedClientException"} {
		for name := range calls(nil) {
			t.Run(code+" of "+name, func(t *testing.T) {
				t.Parallel()
				var sent atomic.Int64
				err := calls(fakeClient(answer(http.StatusBadRequest, refusal(code), &sent)))[name](t.Context())
				if err == nil || fault.ClassOf(err) != fault.Bug {
					t.Errorf("got class %s: %v", fault.ClassOf(err), err)
				}
			})
		}
	}
}

// cancelledBy is the answer to a transaction of n items, all of them for one reason.
func cancelledBy(code string, n int) string {
	body := `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","message":"made up by a test","CancellationReasons":[`
	for i := range n {
		if i > 0 {
			body += ","
		}
		body += `{"Code":"` + code + `"}`
	}
	return body + "]}"
}

func TestTransactionsThatKeepMeetingOthersGiveUp(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"} {
		t.Run(code+" of an append", func(t *testing.T) {
			t.Parallel()
			var sent atomic.Int64
			store := NewEvents(fakeClient(answer(http.StatusBadRequest, cancelledBy(code, 2), &sent)), "events")
			err := store.Append(t.Context(), "order-o1", 0, []event.Event{testEvent("e1"), testEvent("e2")})
			if fault.ClassOf(err) != fault.Infra || int(sent.Load()) != appendRetries.Tries {
				t.Errorf("sent %d times, class %s: %v", sent.Load(), fault.ClassOf(err), err)
			}
		})
		t.Run(code+" of a write", func(t *testing.T) {
			t.Parallel()
			var sent atomic.Int64
			store := NewTables(fakeClient(answer(http.StatusBadRequest, cancelledBy(code, 3), &sent)), Options{})
			_, err := store.Write(t.Context(), ordersV1, []projection.Change{testChange("order-o1", 1, oneOrder())})
			if fault.ClassOf(err) != fault.Infra || int(sent.Load()) != writeRetries.Tries {
				t.Errorf("sent %d times, class %s: %v", sent.Load(), fault.ClassOf(err), err)
			}
		})
	}
	for _, code := range []string{"TransactionConflict", "ThrottlingError"} {
		t.Run(code+" of a commit to the log", func(t *testing.T) {
			t.Parallel()
			var sent atomic.Int64
			err := NewLedger(fakeClient(answer(http.StatusBadRequest, cancelledBy(code, 3), &sent)), "control").Commit(t.Context(), testCommit(1, "100"))
			if fault.ClassOf(err) != fault.Infra || int(sent.Load()) != commitRetries.Tries {
				t.Errorf("sent %d times, class %s: %v", sent.Load(), fault.ClassOf(err), err)
			}
		})
	}
	t.Run("a transaction cancelled for no known reason is not tried for ever", func(t *testing.T) {
		t.Parallel()
		for _, body := range []string{cancelledBy("None", 3), cancelledBy("SomethingNew", 3), cancelledBy("None", 0)} {
			var sent atomic.Int64
			store := NewTables(fakeClient(answer(http.StatusBadRequest, body, &sent)), Options{})
			if _, err := store.Write(t.Context(), ordersV1, []projection.Change{testChange("order-o1", 1, oneOrder())}); err == nil || sent.Load() != 1 {
				t.Errorf("sent %d times: %v", sent.Load(), err)
			}
		}
	})
	t.Run("a row that a transaction holds is waited for", func(t *testing.T) {
		t.Parallel()
		var sent atomic.Int64
		store := NewTables(fakeClient(answer(http.StatusBadRequest, refusal("TransactionConflictException"), &sent)), Options{})
		change := testChange("order-o1", 1)
		change.Place.Bucket = ""
		_, err := store.Write(t.Context(), ordersV1, []projection.Change{change})
		if fault.ClassOf(err) != fault.Infra || int(sent.Load()) != writeRetries.Tries {
			t.Errorf("sent %d times, class %s: %v", sent.Load(), fault.ClassOf(err), err)
		}
	})
}

func TestKeysLeftUnansweredAreAskedForAgain(t *testing.T) {
	t.Parallel()
	key := `{"pk":{"S":"r#order-o1"},"sk":{"S":"row"}}`
	left := `{"Responses":{},"UnprocessedKeys":{"orders-v1":{"Keys":[` + key + `]}}}`
	found := `{"Responses":{"orders-v1":[{"pk":{"S":"r#order-o1"},"sk":{"S":"row"},"v":{"N":"1"},"n":{"N":"1"}}]}}`
	t.Run("until they come", func(t *testing.T) {
		t.Parallel()
		var sent atomic.Int64
		store := NewTables(fakeClient(func(r *http.Request) (*http.Response, error) {
			if sent.Load() < 2 {
				return answer(http.StatusOK, left, &sent)(r)
			}
			return answer(http.StatusOK, found, &sent)(r)
		}), Options{})
		records, err := store.Records(t.Context(), ordersV1, []string{"order-o1"})
		if err != nil || records["order-o1"].Version != 1 {
			t.Errorf("got %v, %v", records, err)
		}
	})
	t.Run("but not for ever", func(t *testing.T) {
		t.Parallel()
		var sent atomic.Int64
		_, err := NewTables(fakeClient(answer(http.StatusOK, left, &sent)), Options{}).Records(t.Context(), ordersV1, []string{"order-o1"})
		if fault.ClassOf(err) != fault.Infra || int(sent.Load()) != batchRetries.Tries {
			t.Errorf("sent %d times, class %s: %v", sent.Load(), fault.ClassOf(err), err)
		}
	})
}
