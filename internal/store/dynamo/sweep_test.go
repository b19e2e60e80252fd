package dynamo

import (
	"context"
	"errors"
	"fmt"
	"net/http/httputil"
	"net/url"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/store/awsfault/awsfaulttest"
)

// once is a client of an address that repeats nothing.
func once(address string) *dynamodb.Client {
	return dynamodb.New(options(address, func(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} }))
}

// sweep lets every request of an operation fail once in every way.
func sweep(t *testing.T, begin func(t *testing.T) awsfaulttest.Attempt) {
	t.Helper()
	target, err := url.Parse(endpoint(t))
	if err != nil {
		t.Fatal(err)
	}
	awsfaulttest.Sweep(t, httputil.NewSingleHostReverseProxy(target), slowDown, awsfaulttest.Operation{Begin: begin})
}

// reads is an operation that only reads: what it returns must be what it returns without a failure.
func reads[T any](want T, do func(context.Context, *dynamodb.Client) (T, error)) func(*testing.T) awsfaulttest.Attempt {
	return func(*testing.T) awsfaulttest.Attempt {
		var got T
		return awsfaulttest.Attempt{
			Do: func(ctx context.Context, address string) (err error) { got, err = do(ctx, once(address)); return err },
			Check: func(t *testing.T) {
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			},
		}
	}
}

func TestNoRequestThatFailsIsPassedOverByReads(t *testing.T) {
	t.Parallel()
	client, table := realClient(t), newEventTable(t)
	var streams []string
	for i := range 5 {
		streams = append(streams, fmt.Sprintf("order-%d", i))
		if err := NewEvents(client, table).Append(t.Context(), streams[i], 0, []event.Event{testEvent("a"), testEvent("b")}); err != nil {
			t.Fatal(err)
		}
	}
	tables := newTables(t)
	for i, stream := range streams {
		if _, err := tables.Write(t.Context(), ordersV1, []projection.Change{testChange(stream, 1, oneOrder())}); err != nil {
			t.Fatal(i, err)
		}
	}
	for name, do := range map[string]func(context.Context, *dynamodb.Client) ([]string, error){
		"LoadMany": func(ctx context.Context, c *dynamodb.Client) (all []string, err error) {
			found, err := NewEvents(c, table).LoadMany(ctx, streams)
			for stream, events := range found {
				all = append(all, fmt.Sprint(stream, len(events)))
			}
			return all, err
		},
		"Streams": func(ctx context.Context, c *dynamodb.Client) (all []string, err error) {
			for cursor := ""; ; {
				page, next, err := NewEvents(c, table).Streams(ctx, eventstore.All, cursor, 2)
				if all = append(all, page...); err != nil || next == "" {
					return all, err
				}
				cursor = next
			}
		},
		"Records": func(ctx context.Context, c *dynamodb.Client) (all []string, err error) {
			found, err := tables.with(c).Records(ctx, ordersV1, streams)
			for stream := range found {
				all = append(all, stream)
			}
			return all, err
		},
		"Scan": func(ctx context.Context, c *dynamodb.Client) (all []string, err error) {
			for cursor := ""; ; {
				page, next, err := tables.with(c).Scan(ctx, ordersV1, eventstore.All, cursor, 2)
				for _, r := range page {
					all = append(all, r.Stream)
				}
				if err != nil || next == "" {
					return all, err
				}
				cursor = next
			}
		},
		"Totals": func(ctx context.Context, c *dynamodb.Client) ([]string, error) {
			found, err := tables.with(c).Totals(ctx, ordersV1)
			return []string{fmt.Sprint(found)}, err
		},
		"Total": func(ctx context.Context, c *dynamodb.Client) ([]string, error) {
			found, err := tables.with(c).Total(ctx, ordersV1, "2026-01-24")
			return []string{fmt.Sprint(found)}, err
		},
	} {
		sorted := func(ctx context.Context, c *dynamodb.Client) ([]string, error) {
			all, err := do(ctx, c)
			slices.Sort(all)
			return all, err
		}
		want, err := sorted(t.Context(), client)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) { t.Parallel(); sweep(t, reads(want, sorted)) })
	}
}

func TestNoRequestThatFailsIsPassedOverByAppends(t *testing.T) {
	t.Parallel()
	table := newEventTable(t)
	for _, n := range []int{1, 2} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			sweep(t, func(*testing.T) awsfaulttest.Attempt {
				stream := newName("order-")
				events := []event.Event{testEvent("a"), testEvent("b")}[:n]
				return awsfaulttest.Attempt{
					Do: func(ctx context.Context, address string) error {
						return NewEvents(once(address), table).Append(ctx, stream, 0, events)
					},
					Again: func(err error) bool { return errors.Is(err, eventstore.ErrConflict) },
					Check: func(t *testing.T) {
						if there, err := NewEvents(realClient(t), table).Load(t.Context(), stream, 0); err != nil || len(there) != n {
							t.Errorf("%d events, %v", len(there), err)
						}
					},
				}
			})
		})
	}
}

func TestNoRequestThatFailsIsPassedOverByRows(t *testing.T) {
	t.Parallel()
	shared := newTables(t)
	t.Run("live", func(t *testing.T) {
		t.Parallel()
		sweep(t, func(*testing.T) awsfaulttest.Attempt {
			stream, day := newName("order-"), newName("day-")
			change := testChange(stream, 1)
			change.Totals = oneOrderOf(day)
			change.Place.Bucket = day
			return awsfaulttest.Attempt{
				Do: func(ctx context.Context, address string) error {
					_, err := shared.with(once(address)).Write(ctx, ordersV1, []projection.Change{change})
					return err
				},
				Check: func(t *testing.T) { wantOneOrder(t, shared, stream, day) },
			}
		})
	})
	t.Run("bulk", func(t *testing.T) {
		t.Parallel()
		sweep(t, func(*testing.T) awsfaulttest.Attempt {
			stream, day, name := newName("order-"), newName("day-"), newName("part-")
			return awsfaulttest.Attempt{
				Do: func(ctx context.Context, address string) error {
					_, err := shared.with(once(address)).PutPart(ctx, ordersV1, onePart(name, stream, day))
					return err
				},
				Check: func(t *testing.T) { wantOneOrder(t, shared, stream, day) },
			}
		})
	})
}

func TestNoRequestThatFailsIsPassedOverByControl(t *testing.T) {
	t.Parallel()
	table := newControlTable(t)
	t.Run("pointer", func(t *testing.T) {
		t.Parallel()
		sweep(t, func(*testing.T) awsfaulttest.Attempt {
			name := newName("p")
			return awsfaulttest.Attempt{
				Do: func(ctx context.Context, address string) error {
					return NewControl(once(address), table).SetPointer(ctx, projection.Pointer{Projection: name, Next: 2})
				},
				Again: func(err error) bool { return errors.Is(err, projection.ErrPointerChanged) },
				Check: func(t *testing.T) {
					if p, err := NewControl(realClient(t), table).Pointer(t.Context(), name); err != nil || p.Changes != 1 || p.Next != 2 {
						t.Errorf("%+v, %v", p, err)
					}
				},
			}
		})
	})
	t.Run("commit", func(t *testing.T) {
		t.Parallel()
		sweep(t, func(t *testing.T) awsfaulttest.Attempt {
			ledger := newControlTable(t)
			return awsfaulttest.Attempt{
				Do: func(ctx context.Context, address string) error {
					return NewLedger(once(address), ledger).Commit(ctx, testCommit(1, "100"))
				},
				Again: func(err error) bool { return errors.Is(err, eventlog.ErrClaimed) },
				Check: func(t *testing.T) {
					if head, err := NewLedger(realClient(t), ledger).Head(t.Context()); err != nil || head.Segments != 1 || head.Number != testCommit(1, "100").Manifest.Last {
						t.Errorf("%+v, %v", head, err)
					}
				},
			}
		})
	})
}

func oneOrderOf(day string) []model.Contribution {
	return []model.Contribution{{Key: day, Field: "orders", Amount: 1}}
}

func onePart(name, stream, day string) projection.BulkPart {
	return projection.BulkPart{
		Name:   name,
		Rows:   func(yield func(projection.Record, error) bool) { yield(testChange(stream, 1).Record, nil) },
		Totals: func() []model.Contribution { return oneOrderOf(day) },
	}
}

// wantOneOrder wants the row to be there, and to count once.
func wantOneOrder(t *testing.T, tables *Tables, stream, day string) {
	t.Helper()
	row, err := tables.Record(t.Context(), ordersV1, stream)
	if err != nil || row.Version != 1 {
		t.Errorf("row %+v, %v", row, err)
	}
	if total, err := tables.Total(t.Context(), ordersV1, day); err != nil || total["orders"] != 1 {
		t.Errorf("total %v, %v", total, err)
	}
}
