package projectiontest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/model"
)

// broken returns a part that cannot be put: its rows end with the error of f after that many.
func broken(t *testing.T, name string, rows []projection.Change, after int, f func() error) projection.BulkPart {
	p := part(t, name, rows)
	p.Rows = breaking(p.Rows, after, f)
	p.Totals = func() []model.Contribution {
		t.Errorf("the totals of %s are asked for although its rows failed", name)
		return nil
	}
	return p
}

func testSinkRowsFail(t *testing.T, h Tables) {
	s := newSink(t, h)
	rows := bulkRows("a", 700)
	for _, after := range []int{0, 1, 650} {
		_, err := put(t.Context(), s, broken(t, "a", rows, after, func() error { return errRows }))
		wantErr(t, "rows that fail", err, errRows)
	}
	totals, err := s.Totals(t.Context(), v1)
	if err != nil || len(totals) != 0 {
		t.Errorf("a part that failed has totals: %v, %v", totals, err)
	}
	mustPut(t, s, "a", rows)
	mustFinish(t, s)
	wantTable(t, s, rows)
	wantTotals(t, s, map[string]map[string]int64{day: {"loans": 700}})
	wantLists(t, h, s, rows)
}

func testSinkOthersFail(t *testing.T, h Tables) {
	s := newSink(t, h)
	a, b := bulkRows("a", 90), bulkRows("b", 80)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			_, err := put(t.Context(), s, broken(t, "a", a, 50, func() error { return errRows }))
			wantErr(t, "rows that fail", err, errRows)
		})
	}
	wg.Go(func() {
		if _, err := put(t.Context(), s, part(t, "b", b)); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	mustPut(t, s, "a", a)
	mustFinish(t, s)
	wantTable(t, s, slices.Concat(a, b))
	wantTotals(t, s, map[string]map[string]int64{day: {"loans": 170}})
}

func testSinkInvalid(t *testing.T, h Tables) {
	s := newSink(t, h)
	nameless := bulkRows("a", 3)
	nameless[1].Stream = ""
	for name, p := range map[string]projection.BulkPart{
		"a part without a name":   part(t, "", bulkRows("b", 1)),
		"a row without a stream":  part(t, "a", nameless),
		"a part with a huge name": part(t, strings.Repeat("n", 3000), bulkRows("c", 1)),
	} {
		p.Totals = func() []model.Contribution { return nil }
		if _, err := s.PutPart(t.Context(), v1, p); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	mustPut(t, s, "a", bulkRows("a", 3))
	mustFinish(t, s)
	wantTable(t, s, bulkRows("a", 3))
}

func testSinkNoTable(t *testing.T, h Tables) {
	s := asSink(t, h.Open(t).Store)
	check := func(when string) {
		t.Helper()
		p := part(t, "a", bulkRows("a", 3))
		_, err := s.PutPart(t.Context(), v1, p)
		wantErr(t, "PutPart "+when, err, projection.ErrNoTable)
		_, err = s.PutPart(t.Context(), v1, part(t, "none", nil))
		wantErr(t, "PutPart of an empty part "+when, err, projection.ErrNoTable)
		wantErr(t, "Finish "+when, s.Finish(t.Context(), v1), projection.ErrNoTable)
	}
	check("before the table was made")
	if err := s.Create(t.Context(), v1); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "a", bulkRows("a", 3))
	mustFinish(t, s)
	if err := s.Drop(t.Context(), v1); err != nil {
		t.Fatal(err)
	}
	check("after the table was dropped")
}

func testSinkCancelled(t *testing.T, h Tables) {
	s := newSink(t, h)
	rows := bulkRows("a", 700)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.PutPart(ended, v1, part(t, "a", rows))
	wantErr(t, "PutPart", err, context.Canceled)
	wantErr(t, "Finish", s.Finish(ended, v1), context.Canceled)
	for _, after := range []int{1, 650} {
		ctx, cancel := context.WithCancel(t.Context())
		p := part(t, "a", rows)
		p.Rows = breaking(p.Rows, after, func() error { cancel(); return nil })
		_, err := s.PutPart(ctx, v1, p)
		wantErr(t, "PutPart that is cancelled in the middle", err, context.Canceled)
	}
	mustPut(t, s, "a", rows)
	mustFinish(t, s)
	wantTable(t, s, rows)
	wantTotals(t, s, map[string]map[string]int64{day: {"loans": 700}})
}

// testSinkDropped drops the table while parts are being put: a late part gets ErrNoTable, and no row of the
// parts gets into a table created again.
func testSinkDropped(t *testing.T, h Tables) {
	s := newSink(t, h)
	var wg sync.WaitGroup
	begun := make(chan struct{}, 1)
	for i := range 3 {
		name := string(rune('a' + i))
		p := part(t, name, bulkRows("dropped-"+name, 600))
		p.Rows = breaking(p.Rows, 300, func() error {
			select {
			case begun <- struct{}{}:
			default:
			}
			return nil
		})
		wg.Go(func() {
			// It may be in before the drop.
			if _, err := put(t.Context(), s, p); err != nil && !errors.Is(err, projection.ErrNoTable) {
				t.Errorf("a part that was under way: %v", err)
			}
		})
	}
	<-begun
	if err := s.Drop(t.Context(), v1); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	_, err := s.PutPart(t.Context(), v1, part(t, "late", bulkRows("late", 3)))
	wantErr(t, "PutPart after the drop", err, projection.ErrNoTable)
	wantErr(t, "Finish after the drop", s.Finish(t.Context(), v1), projection.ErrNoTable)
	if err := s.Create(t.Context(), v1); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "a", bulkRows("a", 3))
	mustFinish(t, s)
	wantTable(t, s, bulkRows("a", 3))
	wantTotals(t, s, map[string]map[string]int64{day: {"loans": 3}})
}

func testSinkVersions(t *testing.T, h Tables) {
	s := newSink(t, h)
	if err := s.Create(t.Context(), v2); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, s, []projection.Change{change("loan-1", 1, add(day, "loans", 1))})
	if rows, err := s.PutPart(t.Context(), v2, part(t, "a", bulkRows("a", 30))); err != nil || rows != 30 {
		t.Fatalf("%d rows: %v", rows, err)
	}
	// The other version is served and written all the while.
	wantTable(t, s, []projection.Change{change("loan-1", 1)})
	mustWrite(t, s, []projection.Change{change("loan-1", 2)})
	if err := s.Finish(t.Context(), v2); err != nil {
		t.Fatal(err)
	}
	wantTable(t, s, []projection.Change{change("loan-1", 2)})
	wantTotals(t, s, map[string]map[string]int64{day: {"loans": 1}})
	total, err := s.Total(t.Context(), v2, day)
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, "the filled version's total", map[string]int64{"loans": 30}, total)
}

func testSinkReopen(t *testing.T, h Tables) {
	opened := h.Open(t)
	if opened.Reopen == nil {
		return // no promise in this case
	}
	s := asSink(t, opened.Store)
	if err := s.Create(t.Context(), v1); err != nil {
		t.Fatal(err)
	}
	a, b := bulkRows("a", 40), bulkRows("b", 30)
	mustPut(t, s, "a", a)
	_, err := s.PutPart(t.Context(), v1, broken(t, "b", b, 20, func() error { return errRows }))
	wantErr(t, "rows that fail", err, errRows)
	s = asSink(t, opened.Reopen(t))
	mustPut(t, s, "a", a)
	mustPut(t, s, "b", b)
	mustFinish(t, s)
	wantTable(t, s, slices.Concat(a, b))
	wantTotals(t, s, map[string]map[string]int64{day: {"loans": 70}})
}
