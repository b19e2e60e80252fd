package projectiontest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
)

func testTotals(t *testing.T, h Tables) {
	s := newStore(t, h)
	wantTotals(t, s, map[string]map[string]int64{})
	none, err := s.Total(t.Context(), v1, "never")
	if err != nil || len(none) != 0 {
		t.Errorf("a total that is not there: %v, %v", none, err)
	}
	mustWrite(t, s, []projection.Change{
		change("loan-1", 1, add(day, "loans", 1), add(day, "revenue.CARD", 999_999_999_999)),
		change("loan-2", 1, add(day, "loans", 1), add(day, "loans", 2), add("2026-01-25", "refunds.CASH", -780)),
	})
	wantTotals(t, s, map[string]map[string]int64{
		day: {"loans": 4, "revenue.CARD": 999_999_999_999}, "2026-01-25": {"refunds.CASH": -780},
	})
	mustWrite(t, s, []projection.Change{
		change("loan-1", 2, add(day, "loans", -5), add(day, "revenue.CARD", -999_999_999_999)),
		change("loan-2", 2, add("2026-01-25", "refunds.CASH", 780)),
	})
	wantTotals(t, s, map[string]map[string]int64{day: {"loans": -1}})
}

func testOneWinner(t *testing.T, h Tables) {
	s := newStore(t, h)
	for writes := uint64(1); writes <= 3; writes++ {
		for name, totals := range map[string][]model.Contribution{"with": {add(day, "loans", 1)}, "without": nil} {
			var won atomic.Int64
			var wg sync.WaitGroup
			for range 12 {
				wg.Go(func() {
					c := change("loan-"+name, writes, totals...)
					var late []string
					err := again(t.Context(), func() (err error) {
						late, err = s.Write(t.Context(), v1, []projection.Change{c})
						return err
					})
					if err != nil {
						t.Error(err)
					} else if len(late) == 0 {
						won.Add(1)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 {
				t.Errorf("%d writers won write %d %s totals", won.Load(), writes, name)
			}
		}
	}
	wantTotals(t, s, map[string]map[string]int64{day: {"loans": 3}})
}

// writeNext writes each stream's row once more, adding 1 to the total, until this call or another writer has
// written it: after an infrastructure error it is unknown what was written.
func writeNext(ctx context.Context, s projection.Tables, streams []string, target uint64) error {
	const tries = 10_000
	for range tries {
		records, err := s.Records(ctx, v1, streams)
		if err != nil && fault.ClassOf(err) != fault.Infra {
			return err
		}
		if err != nil {
			continue
		}
		var changes []projection.Change
		for _, stream := range streams {
			if writes := records[stream].Writes; writes < target {
				changes = append(changes, change(stream, writes+1, add(day, "loans", 1)))
			}
		}
		if len(changes) == 0 {
			return nil
		}
		if _, err := s.Write(ctx, v1, changes); err != nil && fault.ClassOf(err) != fault.Infra {
			return err
		}
	}
	return fmt.Errorf("%d tries were not enough for %v", tries, streams)
}

// hammer runs writers concurrently. Each writes the streams it is given, and all add to one total.
func hammer(t *testing.T, s projection.Store, writers int, target uint64, streamsOf func(writer int) []string) {
	t.Helper()
	want := map[string]bool{}
	var wg sync.WaitGroup
	for w := range writers {
		streams := streamsOf(w)
		for _, stream := range streams {
			want[stream] = true
		}
		wg.Go(func() {
			for n := uint64(1); n <= target; n++ {
				if err := writeNext(t.Context(), s, streams, n); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	wantTotals(t, s, map[string]map[string]int64{day: {"loans": int64(len(want)) * int64(target)}})
	for stream := range want {
		r, err := s.Record(t.Context(), v1, stream)
		if err != nil || r.Writes != target {
			t.Errorf("%s was written %d times, want %d: %v", stream, r.Writes, target, err)
		}
	}
}

func testTotalsConcurrent(t *testing.T, h Tables) {
	hammer(t, newStore(t, h), 12, 6, func(writer int) []string {
		return []string{fmt.Sprintf("loan-%d-a", writer), fmt.Sprintf("loan-%d-b", writer)}
	})
}

func testOneRowConcurrent(t *testing.T, h Tables) {
	hammer(t, newStore(t, h), 8, 10, func(int) []string { return []string{"loan-1", "loan-2"} })
}
