package projectiontest

import (
	"fmt"
	"strings"
	"testing"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

func parkedChange(stream string, writes uint64, reason string) projection.Change {
	c := change(stream, writes)
	c.Version = writes - 1
	c.Parked = &projection.Parked{EventID: "e-" + stream, EventVersion: writes, Reason: reason, Since: event.InstantOfMilli(1769212800123), Attempts: 3}
	if c.Version == 0 {
		c.Data, c.Place = nil, model.Place{}
	}
	return c
}

func testRoundTrip(t *testing.T, h Tables) {
	s := newStore(t, h)
	first := change("loan-1", 1)
	second := change("loan-1", 2, add(day, "loans", 1))
	second.Version = 9
	parked := parkedChange("loan-1", 3, "poison: 毒 \"quoted\"\n\tand more")
	invisible := parkedChange("loan-2", 1, "never placed")
	placeless := change("loan-3", 1)
	placeless.Place = model.Place{}
	for _, c := range []projection.Change{first, second, parked, invisible, placeless} {
		mustWrite(t, s, []projection.Change{c})
		wantRow(t, s, c.Record)
	}
	cleared := change("loan-1", 4)
	mustWrite(t, s, []projection.Change{cleared})
	wantRow(t, s, cleared.Record)
}

func testData(t *testing.T, h Tables) {
	s := newStore(t, h)
	for i, data := range []string{
		`{}`,
		` { "a" : 1 ,	"a":2.00 } `,
		"{\n \"b\": [\r\n ]\n}",
		`{"escapes":"\u0001\"\\\/\b\f\n\r\t\u00e9\ud83c\udf5c","raw":"é🍜","big":123456789012345678901234567890}`,
		`null`,
	} {
		c := change(fmt.Sprintf("loan-%d", i), 1)
		c.Data = []byte(data)
		mustWrite(t, s, []projection.Change{c})
		wantRow(t, s, c.Record)
	}
}

func testOddKeys(t *testing.T, h Tables) {
	s := newStore(t, h)
	odd := []string{
		"loan-学食-唐揚げ丼", "loan-🍜👩‍🍳", `loan-"quoted"'s`, `loan-back\slash`, "loan-%_*?[a]", "loan- spaced ",
		"loan-a/b#c?d=e&f", "loan-é", "loan-e\u0301", "LOAN-CASE", "loan-case", "x", "loan-" + strings.Repeat("長", 80),
	}
	want := map[string]map[string]int64{}
	for i, name := range odd {
		c := change(name, 1, add(name, "field "+name, int64(i+1)))
		c.Place.Bucket = name
		mustWrite(t, s, []projection.Change{c})
		wantRow(t, s, c.Record)
		want[name] = map[string]int64{"field " + name: int64(i + 1)}
		wantListed(t, h, "list of "+name, []string{name}, func() ([]string, error) {
			records, err := s.List(t.Context(), v1, name, "", 10)
			return names(records), err
		})
	}
	wantTotals(t, s, want)
	all, err := scanAll(t.Context(), scanOf(s, eventstore.All), 3)
	if err != nil || len(all) != len(odd) {
		t.Errorf("a scan brings %d rows, want %d: %v", len(all), len(odd), err)
	}
}

func testLargeRows(t *testing.T, h Tables) {
	s := newStore(t, h)
	var changes []projection.Change
	for i := range 4 {
		c := change(fmt.Sprintf("loan-%d", i), 1, add(day, "loans", 1))
		const frame = len(`{"text":""}`)
		text := strings.Repeat("丼", (h.MaxRowBytes-frame)/3)
		c.Data = []byte(`{"text":"` + text + strings.Repeat("x", h.MaxRowBytes-frame-len(text)) + `"}`)
		changes = append(changes, c)
	}
	mustWrite(t, s, changes)
	for _, c := range changes {
		got, err := s.Record(t.Context(), v1, c.Stream)
		if err != nil || string(got.Data) != string(c.Data) {
			t.Errorf("%s came back with %d bytes, want %d: %v", c.Stream, len(got.Data), len(c.Data), err)
		}
	}
	wantTotals(t, s, map[string]map[string]int64{day: {"loans": 4}})
	all, err := scanAll(t.Context(), scanOf(s, eventstore.All), 100)
	if err != nil || len(all) != len(changes) {
		t.Errorf("a scan brings %d rows: %v", len(all), err)
	}
}

func testCopies(t *testing.T, h Tables) {
	s := newStore(t, h)
	want := parkedChange("loan-1", 2, "poison")
	want.Expected, want.Writes = 0, 1
	given := parkedChange("loan-1", 2, "poison")
	given.Expected, given.Writes = 0, 1
	mustWrite(t, s, []projection.Change{given})
	given.Data[2], given.Parked.Reason = 'X', "changed"
	wantRow(t, s, want.Record)
	read, err := s.Record(t.Context(), v1, "loan-1")
	if err != nil {
		t.Fatal(err)
	}
	read.Data[2], read.Parked.Reason = 'X', "changed"
	wantRow(t, s, want.Record)
}

func testFullWrite(t *testing.T, h Tables) {
	s := newStore(t, h)
	var changes []projection.Change
	want := map[string]map[string]int64{}
	for i := range projection.MaxWrite {
		c := change(fmt.Sprintf("loan-%02d", i), 1, add(day, "loans", 1))
		c.Place.Bucket = fmt.Sprintf("bucket-%02d", i)
		for d := range 3 {
			key := fmt.Sprintf("day-%d-%d", i, d)
			c.Totals = append(c.Totals, add(key, "paid", 1), add(key, "revenue.CARD", int64(-i-1)))
			want[key] = map[string]int64{"paid": 1, "revenue.CARD": int64(-i - 1)}
		}
		changes = append(changes, c)
	}
	want[day] = map[string]int64{"loans": projection.MaxWrite}
	mustWrite(t, s, changes)
	wantTotals(t, s, want)
	for _, c := range changes {
		wantRow(t, s, c.Record)
	}
}

func testLate(t *testing.T, h Tables) {
	s := newStore(t, h)
	mustWrite(t, s, []projection.Change{change("loan-1", 1), change("loan-2", 1)})
	mustWrite(t, s, []projection.Change{change("loan-2", 2)})
	stale, ahead, missing := change("loan-2", 2), change("loan-1", 3), change("loan-9", 4)
	stale.Data, ahead.Data = []byte(`{"stale":1}`), []byte(`{"ahead":1}`)
	again := change("loan-1", 1)
	again.Data = []byte(`{"again":1}`)
	for name, c := range map[string]projection.Change{"old": stale, "ahead": ahead, "a row that is not there": missing, "new, but there": again} {
		t.Logf("a change that is %s", name)
		mustWrite(t, s, []projection.Change{c}, c.Stream)
	}
	mustWrite(t, s, []projection.Change{stale, change("loan-1", 2), change("loan-3", 1), missing}, "loan-2", "loan-9")
	for _, want := range []projection.Record{change("loan-1", 2).Record, change("loan-2", 2).Record, change("loan-3", 1).Record} {
		wantRow(t, s, want)
	}
	_, err := s.Record(t.Context(), v1, "loan-9")
	wantErr(t, "a late row", err, projection.ErrNoRecord)
}

func testLateTotals(t *testing.T, h Tables) {
	s := newStore(t, h)
	mustWrite(t, s, []projection.Change{change("loan-1", 1, add(day, "loans", 1))})
	mustWrite(t, s, []projection.Change{change("loan-1", 1, add(day, "loans", 100))}, "loan-1")
	var changes []projection.Change
	for i := range 9 {
		changes = append(changes, change(fmt.Sprintf("loan-%d", i), 1, add(day, "loans", 1), add(fmt.Sprintf("day-%d", i%3), "paid", int64(i))))
	}
	mustWrite(t, s, changes, "loan-1")
	mustWrite(t, s, changes, toNames(changes)...)
	wantTotals(t, s, map[string]map[string]int64{
		day: {"loans": 9}, "day-0": {"paid": 0 + 3 + 6}, "day-1": {"paid": 4 + 7}, "day-2": {"paid": 2 + 5 + 8},
	})
}

func toNames(changes []projection.Change) []string {
	var all []string
	for i := range changes {
		all = append(all, changes[i].Stream)
	}
	return all
}
