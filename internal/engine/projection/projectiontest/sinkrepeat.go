package projectiontest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

func testSinkTwice(t *testing.T, h Tables) {
	s := newSink(t, h)
	rows := bulkRows("a", 40)
	totals := map[string]map[string]int64{day: {"loans": 40}}
	for range 3 {
		mustPut(t, s, "a", rows)
	}
	mustFinish(t, s)
	wantTable(t, s, rows)
	wantTotals(t, s, totals)
	mustPut(t, s, "a", rows)
	mustFinish(t, s)
	wantTable(t, s, rows)
	wantTotals(t, s, totals)
}

func testSinkAtOnce(t *testing.T, h Tables) {
	s := newSink(t, h)
	parts := map[string][]projection.Change{"1": bulkRows("a", 60), "10": bulkRows("b", 50), "1/0": bulkRows("c", 40)}
	var wg sync.WaitGroup
	for range 4 {
		for name, rows := range parts {
			wg.Go(func() {
				if n, err := put(t.Context(), s, part(t, name, rows)); err != nil || n != len(rows) {
					t.Errorf("part %s: %d rows, %v", name, n, err)
				}
			})
		}
	}
	wg.Wait()
	mustFinish(t, s)
	wantTable(t, s, slices.Concat(parts["1"], parts["10"], parts["1/0"]))
	wantTotals(t, s, map[string]map[string]int64{day: {"loans": 150}})
}

func testSinkManyParts(t *testing.T, h Tables) {
	s := newSink(t, h)
	var all []projection.Change
	var wg sync.WaitGroup
	for i := range 12 {
		rows := bulkRows(fmt.Sprintf("part-%02d", i), 20+i)
		all = append(all, rows...)
		wg.Go(func() {
			if n, err := put(t.Context(), s, part(t, fmt.Sprint(i), rows)); err != nil || n != len(rows) {
				t.Errorf("part %d: %d rows, %v", i, n, err)
			}
		})
	}
	wg.Wait()
	mustFinish(t, s)
	wantTable(t, s, all)
	wantTotals(t, s, map[string]map[string]int64{day: {"loans": int64(len(all))}})
}

// liveWrites writes over rows of a finished bulk: a new version, a parking, a heal at the same version, a new
// row. It returns the resulting rows.
func liveWrites(t *testing.T, s projection.Tables, rows []projection.Change) []projection.Change {
	t.Helper()
	rows = slices.Clone(rows)
	next := change(rows[0].Stream, 2, add(day, "paid", 1))
	next.Version = rows[0].Version + 1
	parked := change(rows[1].Stream, 2)
	parked.Version = rows[1].Version
	parked.Parked = &projection.Parked{EventID: "e", EventVersion: parked.Version + 1, Reason: "poison", Since: event.InstantOfMilli(1769212800123), Attempts: 1}
	healed := change(rows[2].Stream, 2, add(day, "loans", -1))
	healed.Version, healed.Data = rows[2].Version, []byte(`{"healed":true}`)
	added := change("loan-new", 1, add(day, "loans", 1))
	mustWrite(t, s, []projection.Change{next, parked, healed, added})
	rows[0], rows[1], rows[2] = next, parked, healed
	return append(rows, added)
}

func testSinkAfterLive(t *testing.T, h Tables) {
	s := newSink(t, h)
	rows, others := bulkRows("a", 30), bulkRows("b", 10)
	invisible := parkedChange("loan-invisible", 1, "never placed")
	rows = append(rows, invisible)
	mustPut(t, s, "a", rows)
	mustPut(t, s, "b", others)
	mustFinish(t, s)
	want := slices.Concat(liveWrites(t, s, rows), others)
	seen := parkedChange("loan-invisible", 2, "still not")
	seen.Version, seen.Data, seen.Place = 0, nil, model.Place{}
	mustWrite(t, s, []projection.Change{seen})
	want[slices.IndexFunc(want, func(c projection.Change) bool { return c.Stream == seen.Stream })] = seen
	totals := map[string]map[string]int64{day: {"loans": 40, "paid": 1}}
	for range 2 {
		mustPut(t, s, "a", rows)
		wantTable(t, s, want)
		wantTotals(t, s, totals)
		mustFinish(t, s)
	}
	wantTable(t, s, want)
	wantTotals(t, s, totals)
	wantLists(t, h, s, want)
}

func testSinkNewerRow(t *testing.T, h Tables) {
	s := newSink(t, h)
	mustPut(t, s, "a", bulkRows("a", 3))
	mustFinish(t, s)
	newer := change("loan-b-0000", 1)
	newer.Version = 9
	mustWrite(t, s, []projection.Change{newer})
	late := bulkRows("b", 3)
	mustPut(t, s, "b", late)
	mustFinish(t, s)
	late[0] = newer
	wantTable(t, s, slices.Concat(bulkRows("a", 3), late))
}

func testSinkWrittenOn(t *testing.T, h Tables) {
	s := newSink(t, h)
	rows := bulkRows("a", 5)
	mustPut(t, s, "a", rows)
	mustFinish(t, s)
	wantRow(t, s, rows[0].Record) // which has one write
	again := change(rows[0].Stream, 1)
	mustWrite(t, s, []projection.Change{again}, again.Stream)
	for writes := uint64(2); writes < 5; writes++ {
		next := change(rows[0].Stream, writes)
		next.Version = 10 + writes
		mustWrite(t, s, []projection.Change{next})
		wantRow(t, s, next.Record)
	}
}

func testSinkTotals(t *testing.T, h Tables) {
	s := newSink(t, h)
	first, second := bulkRows("a", 3), bulkRows("b", 4)
	first[0].Totals = append(first[0].Totals, add(day, "revenue.CARD", 999_999_999_999), add("2026-01-25", "refunds.CASH", -780))
	second[1].Totals = append(second[1].Totals, add(day, "revenue.CARD", 1), add("2026-01-25", "refunds.CASH", 780), add("2026-01-26", "loans", 0))
	mustPut(t, s, "a", first)
	mustPut(t, s, "b", second)
	mustFinish(t, s)
	wantTotals(t, s, map[string]map[string]int64{day: {"loans": 7, "revenue.CARD": 1_000_000_000_000}})
	mustWrite(t, s, []projection.Change{
		change("loan-c", 1, add(day, "loans", 1), add("2026-01-26", "loans", 5)), change("loan-d", 1, add(day, "loans", -3)),
	})
	mustWrite(t, s, []projection.Change{change(first[0].Stream, 2, add(day, "revenue.CARD", -1_000_000_000_000))})
	wantTotals(t, s, map[string]map[string]int64{day: {"loans": 5}, "2026-01-26": {"loans": 5}})
}

func testSinkManyTotals(t *testing.T, h Tables) {
	s := newSink(t, h)
	const days, fields = 400, 8
	want := map[string]map[string]int64{}
	rows := bulkRows("a", days)
	for i := range rows {
		key := fmt.Sprintf("day-%03d", i)
		rows[i].Totals = nil
		want[key] = map[string]int64{}
		for f := range fields {
			rows[i].Totals = append(rows[i].Totals, add(key, fmt.Sprintf("field-%d", f), int64(1+i*f)))
			want[key][fmt.Sprintf("field-%d", f)] = int64(1 + i*f)
		}
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := put(t.Context(), s, part(t, "a", rows)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	mustFinish(t, s)
	mustPut(t, s, "a", rows)
	all, err := s.Totals(t.Context(), v1)
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, "Totals", want, all)
}

func testSinkFinishAgain(t *testing.T, h Tables) {
	s := newSink(t, h)
	a, b := bulkRows("a", 50), bulkRows("b", 50)
	mustPut(t, s, "a", a)
	mustPut(t, s, "b", b)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			if err := again(t.Context(), func() error { return s.Finish(t.Context(), v1) }); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() { // a zombie that does not know that its part is in
			if _, err := put(t.Context(), s, part(t, "ab"[i%2:i%2+1], [][]projection.Change{a, b}[i%2])); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantTable(t, s, slices.Concat(a, b))
	want := liveWrites(t, s, a)
	mustFinish(t, s)
	wantTable(t, s, slices.Concat(want, b))
	wantTotals(t, s, map[string]map[string]int64{day: {"loans": 100, "paid": 1}})
}
