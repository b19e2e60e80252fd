package projectiontest

import (
	"context"
	"sync"
	"testing"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/model"
)

func testCreateDrop(t *testing.T, h Tables) {
	s := h.Open(t).Store
	if err := s.Drop(t.Context(), v1); err != nil {
		t.Errorf("dropping what is not there: %v", err)
	}
	for range 2 {
		if err := s.Create(t.Context(), v1); err != nil {
			t.Fatal(err)
		}
	}
	mustWrite(t, s, []projection.Change{change("loan-1", 1, add(day, "loans", 1))})
	if err := s.Create(t.Context(), v1); err != nil {
		t.Fatal(err)
	}
	wantRow(t, s, change("loan-1", 1).Record)
	for range 2 {
		if err := s.Drop(t.Context(), v1); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Create(t.Context(), v1); err != nil {
		t.Fatal(err)
	}
	_, err := s.Record(t.Context(), v1, "loan-1")
	wantErr(t, "a row of the dropped table", err, projection.ErrNoRecord)
	wantTotals(t, s, map[string]map[string]int64{})
	mustWrite(t, s, []projection.Change{change("loan-1", 1)})
}

// eachCall makes every call except Create and Drop on v1.
func eachCall(ctx context.Context, s projection.Store) map[string]error {
	errs := map[string]error{}
	_, errs["Records"] = s.Records(ctx, v1, []string{"loan-1"})
	_, errs["Write"] = s.Write(ctx, v1, []projection.Change{change("loan-1", 1), change("loan-2", 1, add(day, "loans", 1))})
	_, errs["Record"] = s.Record(ctx, v1, "loan-1")
	_, errs["List"] = s.List(ctx, v1, day, "", 10)
	_, errs["Buckets"] = s.Buckets(ctx, v1, "", 10)
	_, errs["Total"] = s.Total(ctx, v1, day)
	_, _, errs["Scan"] = s.Scan(ctx, v1, eventstore.All, "", 10)
	_, _, errs["ParkedRecords"] = s.ParkedRecords(ctx, v1, "", 10)
	_, errs["Totals"] = s.Totals(ctx, v1)
	return errs
}

func testNoTable(t *testing.T, h Tables) {
	s := h.Open(t).Store
	for call, err := range eachCall(t.Context(), s) {
		wantErr(t, call+" before the table was made", err, projection.ErrNoTable)
	}
	if err := s.Create(t.Context(), v1); err != nil {
		t.Fatal(err)
	}
	for call, err := range eachCall(t.Context(), s) {
		if call != "Record" && err != nil {
			t.Errorf("%s: %v", call, err)
		}
	}
	if err := s.Drop(t.Context(), v1); err != nil {
		t.Fatal(err)
	}
	for call, err := range eachCall(t.Context(), s) {
		wantErr(t, call+" after the table was dropped", err, projection.ErrNoTable)
	}
}

func testIndependent(t *testing.T, h Tables) {
	s := newStore(t, h)
	other := projection.Table{Projection: "loans-v1", Version: 1}
	for _, table := range []projection.Table{v2, other} {
		if err := s.Create(t.Context(), table); err != nil {
			t.Fatal(err)
		}
	}
	mustWrite(t, s, []projection.Change{change("loan-1", 1, add(day, "loans", 1))})
	for _, table := range []projection.Table{v2, other} {
		if found, err := s.Records(t.Context(), table, []string{"loan-1"}); err != nil || len(found) != 0 {
			t.Errorf("%s has rows of %s: %v, %v", table, v1, found, err)
		}
		if late, err := s.Write(t.Context(), table, []projection.Change{change("loan-1", 1, add(day, "loans", 5))}); err != nil || len(late) > 0 {
			t.Errorf("writing to %s: late %v, %v", table, late, err)
		}
	}
	wantTotals(t, s, map[string]map[string]int64{day: {"loans": 1}})
	if err := s.Drop(t.Context(), v1); err != nil {
		t.Fatal(err)
	}
	total, err := s.Total(t.Context(), v2, day)
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, "the other version's total", map[string]int64{"loans": 5}, total)
}

func testCreateAtOnce(t *testing.T, h Tables) {
	s := h.Open(t).Store
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := s.Create(t.Context(), v1); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	mustWrite(t, s, []projection.Change{change("loan-1", 1)})
}

func testCancelled(t *testing.T, h Tables) {
	s := newStore(t, h)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for call, err := range eachCall(ctx, s) {
		wantErr(t, call, err, context.Canceled)
	}
	wantErr(t, "Create", s.Create(ctx, v2), context.Canceled)
	wantErr(t, "Drop", s.Drop(ctx, v1), context.Canceled)
	found, err := s.Records(t.Context(), v1, []string{"loan-1", "loan-2"})
	if err != nil || len(found) != 0 {
		t.Errorf("rows came to be: %v, %v", found, err)
	}
	wantTotals(t, s, map[string]map[string]int64{})
}

func testReopen(t *testing.T, h Tables) {
	opened := h.Open(t)
	if opened.Reopen == nil {
		return // no promise in this case
	}
	s := opened.Store
	for _, table := range []projection.Table{v1, v2} {
		if err := s.Create(t.Context(), table); err != nil {
			t.Fatal(err)
		}
	}
	mustWrite(t, s, []projection.Change{change("loan-1", 1, add(day, "loans", 1))})
	if err := s.Drop(t.Context(), v2); err != nil {
		t.Fatal(err)
	}
	s = opened.Reopen(t)
	wantRow(t, s, change("loan-1", 1).Record)
	wantTotals(t, s, map[string]map[string]int64{day: {"loans": 1}})
	mustWrite(t, s, []projection.Change{change("loan-1", 1)}, "loan-1")
	mustWrite(t, s, []projection.Change{change("loan-1", 2)})
	_, err := s.Totals(t.Context(), v2)
	wantErr(t, "a table that was dropped", err, projection.ErrNoTable)
}

func testManyRecords(t *testing.T, h Tables) {
	s := newStore(t, h)
	want := map[string]projection.Record{}
	var asked []string
	for page := range 4 {
		var changes []projection.Change
		for i := range projection.MaxWrite {
			stream := "loan-" + string(rune('a'+page)) + "-" + string(rune('0'+i))
			c := change(stream, 1)
			changes = append(changes, c)
			want[stream] = c.Record
			asked = append(asked, stream, stream+"-unknown")
		}
		mustWrite(t, s, changes)
	}
	asked = append(asked, asked[:6]...)
	got, err := s.Records(t.Context(), v1, asked)
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, "rows", want, got)
	if got, err := s.Records(t.Context(), v1, nil); err != nil || len(got) != 0 {
		t.Errorf("no streams: %v, %v", got, err)
	}
	_, err = s.Record(t.Context(), v1, "loan-unknown")
	wantErr(t, "an unknown row", err, projection.ErrNoRecord)
}

func testInvalidWrites(t *testing.T, h Tables) {
	s := newStore(t, h)
	var many []projection.Change
	for i := range projection.MaxWrite + 1 {
		many = append(many, change("loan-"+string(rune('A'+i)), 1, add(day, "loans", 1)))
	}
	nameless := change("", 1)
	nameless.Place = model.Place{}
	for name, changes := range map[string][]projection.Change{
		"more changes than allowed": many,
		"one stream twice":          {change("loan-1", 1, add(day, "loans", 1)), change("loan-1", 2)},
		"no stream":                 {nameless},
	} {
		if _, err := s.Write(t.Context(), v1, changes); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	wantTotals(t, s, map[string]map[string]int64{})
	mustWrite(t, s, nil)
}
