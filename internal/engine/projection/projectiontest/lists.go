package projectiontest

import (
	"fmt"
	"slices"
	"testing"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/model"
)

func testList(t *testing.T, h Tables) {
	s := newStore(t, h)
	var want []string
	var changes []projection.Change
	for i := range 30 {
		n := i * 7 % 30 // not sorted
		c := change(fmt.Sprintf("loan-%02d", 29-n), 1)
		c.Place.Sort = fmt.Sprintf("2026-01-24T00:00:%02d.000Z#学-%02d", n, 29-n)
		changes = append(changes, c)
	}
	for i := range 30 {
		want = append(want, fmt.Sprintf("loan-%02d", i)) // newest first
	}
	elsewhere := change("loan-elsewhere", 1)
	elsewhere.Place.Bucket = "2026-01-25"
	prefix := change("loan-prefix", 1)
	prefix.Place.Bucket = day + "#0"
	mustWrite(t, s, append(changes, elsewhere, prefix))
	for _, limit := range []int{1, 7, 30, 100} {
		wantListed(t, h, fmt.Sprintf("pages of %d", limit), want, func() ([]string, error) { return listAll(t, s, day, limit) })
	}
	first, err := s.List(t.Context(), v1, day, "", 2)
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, "the first row", changes[slices.IndexFunc(changes, func(c projection.Change) bool { return c.Stream == want[0] })].Record, first[0])
	for _, after := range []string{"2026-01-24T00:00:00.000Z#学-29", "0"} {
		wantListed(t, h, "after the last", nil, func() ([]projection.Record, error) { return s.List(t.Context(), v1, day, after, 5) })
	}
	wantListed(t, h, "after a place without a row", want[20:21], func() ([]string, error) {
		records, err := s.List(t.Context(), v1, day, "2026-01-24T00:00:09.999Z", 1)
		return names(records), err
	})
	wantListed(t, h, "an empty bucket", nil, func() ([]projection.Record, error) { return s.List(t.Context(), v1, "2026-01-23", "", 5) })
}

// listAll pages through a bucket.
func listAll(t *testing.T, s projection.Browser, bucket string, limit int) ([]string, error) {
	t.Helper()
	var all []string
	after := ""
	for range 1000 {
		records, err := s.List(t.Context(), v1, bucket, after, limit)
		if err != nil || len(records) == 0 {
			return all, err
		}
		if len(records) > limit {
			return all, fmt.Errorf("a page of %d, at most %d were asked for", len(records), limit)
		}
		all = append(all, names(records)...)
		after = records[len(records)-1].Place.Sort
	}
	return all, fmt.Errorf("the list of %s does not end", bucket)
}

func testInvisible(t *testing.T, h Tables) {
	s := newStore(t, h)
	invisible := parkedChange("loan-1", 1, "poison")
	placed := parkedChange("loan-2", 1, "poison")
	placed.Place = model.Place{Bucket: day, Sort: "s"} // no projection does so, but it must do no harm
	mustWrite(t, s, []projection.Change{invisible, placed})
	list := func() ([]string, error) { return listAll(t, s, day, 10) }
	buckets := func() ([]string, error) { return s.Buckets(t.Context(), v1, "", 10) }
	wantListed(t, h, "list", nil, list)
	wantListed(t, h, "buckets", nil, buckets)
	visible := change("loan-1", 2)
	mustWrite(t, s, []projection.Change{visible})
	wantListed(t, h, "list", []string{"loan-1"}, list)
	wantListed(t, h, "buckets", []string{day}, buckets)
	parked := parkedChange("loan-1", 3, "poison again")
	mustWrite(t, s, []projection.Change{parked})
	wantListed(t, h, "list of a parked row", []string{"loan-1"}, list)
	hidden := parkedChange("loan-1", 1, "poison from the beginning")
	hidden.Expected, hidden.Writes = 3, 4
	mustWrite(t, s, []projection.Change{hidden})
	wantListed(t, h, "list of a row that a heal has made invisible", nil, list)
	all, err := scanAll(t.Context(), scanOf(s, eventstore.All), 10)
	if err != nil || len(all) != 2 {
		t.Errorf("a scan brings %d rows, want 2: %v", len(all), err)
	}
}

// testMoved moves a row, as a heal does with a row that a wrong fold had placed elsewhere.
func testMoved(t *testing.T, h Tables) {
	s := newStore(t, h)
	wrong, right := change("loan-1", 1), change("loan-1", 2)
	wrong.Place = model.Place{Bucket: "1999-12-31", Sort: "1999-12-31T00:00:00.000Z#loan-1"}
	mustWrite(t, s, []projection.Change{wrong})
	mustWrite(t, s, []projection.Change{right})
	wantListed(t, h, "the old bucket", nil, func() ([]string, error) { return listAll(t, s, "1999-12-31", 10) })
	wantListed(t, h, "the new bucket", []string{"loan-1"}, func() ([]string, error) { return listAll(t, s, day, 10) })
}

func testBuckets(t *testing.T, h Tables) {
	s := newStore(t, h)
	wantListed(t, h, "no rows", nil, func() ([]string, error) { return s.Buckets(t.Context(), v1, "", 10) })
	var want []string
	for i := range 25 {
		bucket := fmt.Sprintf("2026-02-%02d", 25-i)
		want = append(want, bucket)
		var changes []projection.Change
		for n := range 1 + i%3 {
			c := change(fmt.Sprintf("loan-%d-%d", i, n), 1)
			c.Place.Bucket = bucket
			changes = append(changes, c)
		}
		mustWrite(t, s, changes)
	}
	for _, limit := range []int{1, 4, 25, 100} {
		wantListed(t, h, fmt.Sprintf("pages of %d", limit), want, func() ([]string, error) {
			var all []string
			before := ""
			for range 1000 {
				buckets, err := s.Buckets(t.Context(), v1, before, limit)
				if err != nil || len(buckets) == 0 {
					return all, err
				}
				all = append(all, buckets...)
				before = buckets[len(buckets)-1]
			}
			return all, fmt.Errorf("the list of buckets does not end")
		})
	}
	wantListed(t, h, "before a bucket that is not there", want[5:7], func() ([]string, error) {
		return s.Buckets(t.Context(), v1, "2026-02-20#", 2)
	})
}

func testScan(t *testing.T, h Tables) {
	s := newStore(t, h)
	empty, err := scanAll(t.Context(), scanOf(s, eventstore.All), 10)
	if err != nil || len(empty) != 0 {
		t.Errorf("an empty table: %v, %v", empty, err)
	}
	want := map[string]projection.Record{}
	for page := range 4 {
		var changes []projection.Change
		for i := range 35 {
			c := change(fmt.Sprintf("loan-%d-%02d", page, i), 1, add(fmt.Sprintf("day-%d", i), "loans", 1))
			if i%10 == 3 {
				c = parkedChange(c.Stream, 1, "poison")
			}
			changes = append(changes, c)
			want[c.Stream] = c.Record
		}
		mustWrite(t, s, changes)
	}
	for _, limit := range []int{1, 35, 140, 1000} {
		got, err := scanAll(t.Context(), scanOf(s, eventstore.All), limit)
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, fmt.Sprintf("a scan with pages of %d", limit), want, got)
	}
}

func testScanParts(t *testing.T, h Tables) {
	s := newStore(t, h)
	want := map[string]projection.Record{}
	for page := range 3 {
		var changes []projection.Change
		for i := range projection.MaxWrite {
			c := change(fmt.Sprintf("loan-%d-%02d", page, i), 1)
			if i%10 == 3 {
				c = parkedChange(c.Stream, 1, "poison")
			}
			changes = append(changes, c)
			want[c.Stream] = c.Record
		}
		mustWrite(t, s, changes)
	}
	for _, parts := range []int{1, 2, 3, 7} {
		for _, limit := range []int{1, 40, 1000} {
			all := map[string]projection.Record{}
			for index := range parts {
				rows, err := scanAll(t.Context(), scanOf(s, eventstore.Part{Index: index, Count: parts}), limit)
				if err != nil {
					t.Fatalf("part %d of %d: %v", index, parts, err)
				}
				for stream, r := range rows {
					if _, twice := all[stream]; twice {
						t.Errorf("%s is in two parts of %d", stream, parts)
					}
					all[stream] = r
				}
			}
			wantSame(t, fmt.Sprintf("%d parts in pages of %d", parts, limit), want, all)
		}
	}
}

func testParked(t *testing.T, h Tables) {
	s := newStore(t, h)
	want := map[string]projection.Record{}
	var changes []projection.Change
	for i := range 40 {
		c := change(fmt.Sprintf("loan-%02d", i), 1)
		if i%3 == 0 {
			c = parkedChange(c.Stream, 1, fmt.Sprintf("reason %d", i))
			want[c.Stream] = c.Record
		}
		changes = append(changes, c)
	}
	mustWrite(t, s, changes)
	check := func(what string) {
		t.Helper()
		for _, limit := range []int{1, 5, 100} {
			wantListed(t, h, what, []map[string]projection.Record{want}, func() ([]map[string]projection.Record, error) {
				got, err := scanAll(t.Context(), s.ParkedRecords, limit)
				return []map[string]projection.Record{got}, err
			})
		}
	}
	check("parked rows")
	for _, stream := range []string{"loan-00", "loan-39"} {
		mustWrite(t, s, []projection.Change{change(stream, 2)})
		delete(want, stream)
	}
	again := parkedChange("loan-03", 2, "still")
	mustWrite(t, s, []projection.Change{again})
	want["loan-03"] = again.Record
	check("parked rows after two were cleared")
}
