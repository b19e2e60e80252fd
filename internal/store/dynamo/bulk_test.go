package dynamo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
)

// testPart is a part of so many rows, each an order of one day.
func testPart(name string, rows int) projection.BulkPart {
	return projection.BulkPart{
		Name: name,
		Rows: func(yield func(projection.Record, error) bool) {
			for i := range rows {
				if !yield(testChange(fmt.Sprintf("order-%s-%d", name, i), 1).Record, nil) {
					return
				}
			}
		},
		Totals: func() []model.Contribution {
			return []model.Contribution{{Key: "2026-01-24", Field: "orders", Amount: int64(rows)}}
		},
	}
}

// wantFilled wants so many rows, counted as orders of the day.
func wantFilled(t *testing.T, s *Tables, rows int) {
	t.Helper()
	wantTotal(t, s, map[string]int64{"orders": int64(rows)})
	records, _, err := s.Scan(t.Context(), ordersV1, eventstore.All, "", rows+1)
	if err != nil || len(records) != rows {
		t.Errorf("%d rows are there, want %d: %v", len(records), rows, err)
	}
	buckets, err := s.Buckets(t.Context(), ordersV1, "", 10)
	if diff := cmp.Diff([]string{"2026-01-24"}, buckets); diff != "" || err != nil {
		t.Errorf("buckets (-want +got): %s%v", diff, err)
	}
}

func TestAPartWhoseAnswersAreLostCountsOnce(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"TransactWriteItems", "PutItem", "GetItem"} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			tables := newTables(t)
			unlucky := tables.with(realClient(t, through(losing(operation))))
			if rows, err := unlucky.PutPart(t.Context(), ordersV1, testPart("a", 30)); err != nil || rows != 30 {
				t.Errorf("%d rows: %v", rows, err)
			}
			wantFilled(t, tables, 30)
		})
	}
}

// operation is what a request asks of the store.
func operation(r *http.Request) string {
	_, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	return name
}

func TestAPartThatDiedIsCompletedByTheNextAttempt(t *testing.T) {
	t.Parallel()
	for _, die := range []struct {
		operation string
		after     int64
	}{{"PutItem", 0}, {"PutItem", 10}, {"TransactWriteItems", 0}, {"PutItem", 31}} {
		t.Run(fmt.Sprintf("after %d of %s", die.after, die.operation), func(t *testing.T) {
			t.Parallel()
			tables := newTables(t)
			ctx, cancel := context.WithCancel(t.Context())
			var sent atomic.Int64
			dying := tables.with(realClient(t, through(func(r *http.Request) (*http.Response, error) {
				if operation(r) == die.operation && sent.Add(1) > die.after {
					cancel()
					return nil, errors.New("the process is gone")
				}
				return http.DefaultClient.Do(r)
			})))
			if _, err := dying.PutPart(ctx, ordersV1, testPart("a", 30)); !errors.Is(err, context.Canceled) {
				t.Fatalf("the first attempt: %v", err)
			}
			for range 2 {
				if rows, err := tables.with(realClient(t)).PutPart(t.Context(), ordersV1, testPart("a", 30)); err != nil || rows != 30 {
					t.Errorf("%d rows: %v", rows, err)
				}
			}
			wantFilled(t, tables, 30)
		})
	}
}

func TestAThrottledBulkGoesOn(t *testing.T) {
	t.Parallel()
	tables := newTables(t)
	var sent atomic.Int64
	throttled := tables.with(realClient(t, hurried, through(func(r *http.Request) (*http.Response, error) {
		if op := operation(r); (op == "PutItem" || op == "TransactWriteItems") && sent.Add(1)%3 != 0 {
			return answer(http.StatusBadRequest, refusal("ProvisionedThroughputExceededException"), new(atomic.Int64))(r)
		}
		return http.DefaultClient.Do(r)
	})))
	if rows, err := throttled.PutPart(t.Context(), ordersV1, testPart("a", 40)); err != nil || rows != 40 {
		t.Fatalf("%d rows: %v", rows, err)
	}
	wantFilled(t, tables, 40)
}

// refusing is a store that has nothing and refuses every call of an operation with body.
func refusing(name, body string, sent *atomic.Int64) *Tables {
	return NewTables(fakeClient(func(r *http.Request) (*http.Response, error) {
		if operation(r) == name {
			return answer(http.StatusBadRequest, body, sent)(r)
		}
		return answer(http.StatusOK, "{}", new(atomic.Int64))(r)
	}), Options{})
}

func TestABulkThatIsRefusedForLongGivesUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		operation, body string
		tries           int
	}{
		"a throttled row":      {"PutItem", refusal("ThrottlingException"), bulkRetries.Tries * maxAttempts},
		"a row that is held":   {"PutItem", refusal("TransactionConflictException"), bulkRetries.Tries},
		"totals that are held": {"TransactWriteItems", cancelledBy("TransactionConflict", 2), bulkRetries.Tries},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var sent atomic.Int64
				tables := refusing(c.operation, c.body, &sent)
				tables.markers.add(ordersV1, "2026-01-24")
				_, err := tables.PutPart(t.Context(), ordersV1, testPart("a", 1))
				if fault.ClassOf(err) != fault.Infra || int(sent.Load()) != c.tries {
					t.Errorf("sent %d times, want %d, class %s: %v", sent.Load(), c.tries, fault.ClassOf(err), err)
				}
			})
		})
	}
}

func TestABulkThatIsWrongIsNotRepeated(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ operation, body string }{
		"a refused row":                      {"PutItem", refusal("ValidationException")},
		"refused totals":                     {"TransactWriteItems", refusal("ValidationException")},
		"totals cancelled for unknown cause": {"TransactWriteItems", cancelledBy("SomethingNew", 2)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sent atomic.Int64
			tables := refusing(c.operation, c.body, &sent)
			tables.markers.add(ordersV1, "2026-01-24")
			_, err := tables.PutPart(t.Context(), ordersV1, testPart("a", 1))
			if err == nil || fault.ClassOf(err) != fault.Bug || sent.Load() != 1 {
				t.Errorf("sent %d times, class %s: %v", sent.Load(), fault.ClassOf(err), err)
			}
		})
	}
}

func TestARowTooLargeForAnItemFailsItsPart(t *testing.T) {
	t.Parallel()
	part := testPart("a", 1)
	part.Rows = func(yield func(projection.Record, error) bool) {
		r := testChange("order-large", 1).Record
		r.Data = make([]byte, maxItemBytes)
		yield(r, nil)
	}
	var sent atomic.Int64
	_, err := refusing("PutItem", "", &sent).PutPart(t.Context(), ordersV1, part)
	if err == nil || !strings.Contains(err.Error(), "order-large") || !strings.Contains(err.Error(), "more than an item can have") || sent.Load() != 0 {
		t.Errorf("got %v", err)
	}
}

// TestBulkWriteUnits holds a bulk to its price: a unit for a row under 1 KB and one for its
// entry in the list, two for each total of the part, and a few for the part itself.
func TestBulkWriteUnits(t *testing.T) {
	t.Parallel()
	const rows, marker, note, totals = 50, 1, 1, 2 + 2
	var used, answered units
	tables := newTables(t, used.byRules, ObserveCapacity(answered.observe))
	put := func(part projection.BulkPart, want float64) {
		t.Helper()
		used.reset()
		if _, err := tables.PutPart(t.Context(), ordersV1, part); err != nil {
			t.Fatal(err)
		}
		if used.rows != want {
			t.Errorf("part %s: %v write units, want %v", part.Name, used.rows, want)
		}
	}
	put(testPart("a", rows), rows*(1+1)+marker+totals+note)
	put(testPart("b", rows), rows*(1+1)+totals+note)
	put(testPart("b", rows), 0)

	unlisted := testPart("c", rows)
	unlisted.Rows = func(yield func(projection.Record, error) bool) {
		for r := range testPart("c", rows).Rows {
			r.Place, r.Data = model.Place{}, []byte(fmt.Sprintf(`{"text":"%0900d"}`, 1))
			if !yield(r, nil) {
				return
			}
		}
	}
	unlisted.Totals = func() []model.Contribution { return nil }
	answered.reset()
	put(unlisted, rows+note)
	if answered.rows != rows+note {
		t.Errorf("by the store's own count: %v write units, want %v", answered.rows, rows+note)
	}
}

func TestTotalsAreCutAlikeAndWithinLimits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := map[[2]string]int64{}
		var all []model.Contribution
		// Many totals, or some with many fields: both together only take time.
		few, many := []int{1, 8, maxSumFields, maxSumFields + 1, 3 * maxSumFields}, []int{1, 8}
		keys := rapid.IntRange(0, 250).Draw(t, "keys")
		for key := range keys {
			sizes := many
			if key < 3 || keys < 12 {
				sizes = few
			}
			fields := rapid.SampledFrom(sizes).Draw(t, "fields")
			for field := range fields {
				c := model.Contribution{Key: fmt.Sprint("k", key), Field: fmt.Sprint("f", field), Amount: int64(field - 1)}
				all = append(all, c)
				if c.Amount != 0 {
					want[[2]string{c.Key, c.Field}] = c.Amount
				}
			}
		}
		chunks := cutTotals(all)
		got := map[[2]string]int64{}
		for _, sums := range chunks {
			checkChunk(t, sums, got)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("sums (-want +got):\n%s", diff)
		}
		again := cutTotals(rapid.Permutation(all).Draw(t, "again"))
		if diff := cmp.Diff(chunks, again, cmp.AllowUnexported(totalSum{})); diff != "" {
			t.Fatalf("another order is cut differently:\n%s", diff)
		}
	})
}

// checkChunk checks the limits of one transaction and adds what it adds to got.
func checkChunk(t *rapid.T, sums []*totalSum, got map[[2]string]int64) {
	if len(sums) == 0 || len(sums)+1 > maxTransactionItems {
		t.Fatalf("a transaction of %d totals", len(sums))
	}
	keys := map[string]bool{}
	table := "t"
	for _, sum := range sums {
		update := sum.update(&table, 0)
		if keys[sum.key] || len(*update.UpdateExpression) > 4096 {
			t.Fatalf("%s is in a transaction twice, or its update has %d bytes", sum.key, len(*update.UpdateExpression))
		}
		keys[sum.key] = true
		for _, field := range sum.fields {
			if _, twice := got[[2]string{sum.key, field}]; twice {
				t.Fatalf("%s of %s is added twice", field, sum.key)
			}
			got[[2]string{sum.key, field}] = sum.amounts[field]
		}
	}
}

// BenchmarkBulk puts one part after the other.
func BenchmarkBulk(b *testing.B) {
	const rows = 5000
	var used units
	tables := newTables(b, used.byRules)
	b.ResetTimer()
	for n := range b.N {
		if _, err := tables.PutPart(b.Context(), ordersV1, testPart(fmt.Sprint(n), rows)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*rows)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(used.rows/float64(b.N*rows), "WU/row")
}
