package projectiontest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"

	"gakushoku/internal/engine/contract"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
)

// SinkStore is a store that a bulk replay can fill.
type SinkStore interface {
	projection.Store
	projection.Sink
}

// TestSink tests everything that projection.Sink promises. The harness is that of TestTables;
// its stores must be sinks too.
func TestSink(t *testing.T, h Tables) {
	contract.Run(t, h, map[string]func(*testing.T, Tables){
		"rows and totals of all parts come back":         testSinkRoundTrip,
		"a table without parts is empty and ready":       testSinkNoParts,
		"an empty part is a part":                        testSinkEmptyPart,
		"a part put twice counts once":                   testSinkTwice,
		"a part put by many at once counts once":         testSinkAtOnce,
		"different parts go in at once":                  testSinkManyParts,
		"a part put again leaves live writes alone":      testSinkAfterLive,
		"a newer row stays":                              testSinkNewerRow,
		"rows of a part are written on":                  testSinkWrittenOn,
		"totals sum over parts and live writes":          testSinkTotals,
		"a part may have many totals":                    testSinkManyTotals,
		"a part may have many rows":                      testSinkManyRows,
		"large rows are kept":                            testSinkLargeRows,
		"a part whose rows fail can be put again":        testSinkRowsFail,
		"a failed part leaves the others alone":          testSinkOthersFail,
		"a part that makes no sense is refused":          testSinkInvalid,
		"a table that is not there is ErrNoTable":        testSinkNoTable,
		"a cancelled call says so and can be repeated":   testSinkCancelled,
		"finish may be repeated, by many at once":        testSinkFinishAgain,
		"a table dropped in the middle is gone":          testSinkDropped,
		"table versions are filled independently":        testSinkVersions,
		"what was put is there when the store is opened": testSinkReopen,
	})
}

// newSink returns a new store with the table v1.
func newSink(t *testing.T, h Tables) SinkStore {
	t.Helper()
	return asSink(t, newStore(t, h))
}

func asSink(t *testing.T, s projection.Store) SinkStore {
	t.Helper()
	sink, ok := s.(SinkStore)
	if !ok {
		t.Fatalf("%T is no projection.Sink", s)
	}
	return sink
}

// part returns a bulk part of these rows. It checks that totals are requested only after the rows.
func part(t *testing.T, name string, changes []projection.Change) projection.BulkPart {
	var mu sync.Mutex
	ended := false
	return projection.BulkPart{
		Name: name,
		Rows: func(yield func(projection.Record, error) bool) {
			for _, c := range changes {
				c.Writes = 0 // counting them is up to the sink
				if !yield(c.Record, nil) {
					return
				}
			}
			mu.Lock()
			defer mu.Unlock()
			ended = true
		},
		Totals: func() []model.Contribution {
			mu.Lock()
			defer mu.Unlock()
			if !ended {
				t.Errorf("the totals of %s are asked for before its rows have ended", name)
			}
			return summed(changes)
		},
	}
}

// summed returns the contributions of changes, in any order.
func summed(changes []projection.Change) []model.Contribution {
	sums := map[model.Contribution]int64{}
	for _, c := range changes {
		for _, d := range c.Totals {
			sums[model.Contribution{Key: d.Key, Field: d.Field}] += d.Amount
		}
	}
	var all []model.Contribution
	for d, amount := range sums {
		d.Amount = amount
		all = append(all, d)
	}
	return all
}

// bulkRows returns count rows of streams that begin with prefix, each counting as one of the day's loans.
func bulkRows(prefix string, count int) []projection.Change {
	all := make([]projection.Change, count)
	for i := range all {
		all[i] = change(fmt.Sprintf("loan-%s-%04d", prefix, i), 1, add(day, "loans", 1))
		all[i].Version = uint64(1 + i%5)
	}
	return all
}

// put puts a part until it is in, repeating the call after infrastructure errors.
func put(ctx context.Context, s projection.Sink, p projection.BulkPart) (rows int, err error) {
	for range 100 {
		if rows, err = s.PutPart(ctx, v1, p); err == nil || fault.ClassOf(err) != fault.Infra {
			return rows, err
		}
	}
	return rows, err
}

func mustPut(t *testing.T, s projection.Sink, name string, changes []projection.Change) {
	t.Helper()
	rows, err := put(t.Context(), s, part(t, name, changes))
	if err != nil || rows != len(changes) {
		t.Fatalf("putting %s: %d rows, want %d: %v", name, rows, len(changes), err)
	}
}

func mustFinish(t *testing.T, s projection.Sink) {
	t.Helper()
	if err := s.Finish(t.Context(), v1); err != nil {
		t.Fatalf("finish: %v", err)
	}
}

// wantTable checks that v1 has exactly these rows, each with the stated number of writes.
func wantTable(t *testing.T, s projection.Store, want []projection.Change) {
	t.Helper()
	rows := make(map[string]projection.Record, len(want))
	for _, c := range want {
		rows[c.Stream] = c.Record
	}
	got, err := scanAll(t.Context(), scanOf(s, eventstore.All), 500)
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, "rows", rows, got)
}

// oddRows returns rows of every kind: plain, parked, invisible, without a place, with odd texts.
func oddRows() []projection.Change {
	plain := change("loan-plain", 1, add(day, "loans", 1), add(day, "revenue.CARD", 780))
	plain.Version = 7
	parked := parkedChange("loan-parked", 3, "poison: 毒 \"quoted\"\n\tand more")
	parked.Writes, parked.Totals = 1, []model.Contribution{add(day, "loans", 1)}
	invisible := parkedChange("loan-invisible", 1, "never placed")
	placeless := change("loan-placeless", 1)
	placeless.Place = model.Place{}
	elsewhere := change("loan-elsewhere", 1, add("2026-01-25", "loans", 1))
	elsewhere.Place.Bucket = "2026-01-25"
	all := []projection.Change{plain, parked, invisible, placeless, elsewhere}
	for i, name := range []string{"loan-学食-🍜", `loan-"quoted"'s`, `loan-back\slash`, "loan-%_*?[a]", "loan- spaced ", "x"} {
		odd := change(name, 1, add(name, "field "+name, int64(i-2)))
		odd.Place.Bucket = name
		odd.Data = []byte(" { \"a\" : 1 ,\n\t\"a\":\"\\u0001é🍜\" } ")
		all = append(all, odd)
	}
	return all
}

func testSinkRoundTrip(t *testing.T, h Tables) {
	s := newSink(t, h)
	odd, plain := oddRows(), bulkRows("plain", 30)
	mustPut(t, s, "部分/1 'odd'", odd)
	mustPut(t, s, "2", plain)
	mustFinish(t, s)
	all := slices.Concat(odd, plain)
	wantTable(t, s, all)
	for _, c := range odd {
		wantRow(t, s, c.Record)
	}
	wantTotals(t, s, map[string]map[string]int64{
		day: {"loans": 32, "revenue.CARD": 780}, "2026-01-25": {"loans": 1},
		"loan-学食-🍜": {"field loan-学食-🍜": -2}, `loan-"quoted"'s`: {`field loan-"quoted"'s`: -1},
		"loan-%_*?[a]": {"field loan-%_*?[a]": 1}, "loan- spaced ": {"field loan- spaced ": 2}, "x": {"field x": 3},
	})
	wantLists(t, h, s, all)
}

// wantLists checks that lists, buckets and parked rows show these rows.
func wantLists(t *testing.T, h Tables, s projection.Store, rows []projection.Change) {
	t.Helper()
	byBucket := map[string][]string{}
	parked := map[string]projection.Record{}
	for _, c := range rows {
		if c.Visible() && c.Place.Bucket != "" {
			byBucket[c.Place.Bucket] = append(byBucket[c.Place.Bucket], c.Stream)
		}
		if c.Parked != nil {
			parked[c.Stream] = c.Record
		}
	}
	var buckets []string
	for bucket, streams := range byBucket {
		buckets = append(buckets, bucket)
		slices.Sort(streams) // change sorts them in the same way
		slices.Reverse(streams)
		wantListed(t, h, "list of "+bucket, streams, func() ([]string, error) { return listAll(t, s, bucket, 40) })
	}
	slices.Sort(buckets)
	slices.Reverse(buckets)
	wantListed(t, h, "buckets", buckets, func() ([]string, error) { return s.Buckets(t.Context(), v1, "", 100) })
	wantListed(t, h, "parked rows", []map[string]projection.Record{parked}, func() ([]map[string]projection.Record, error) {
		got, err := scanAll(t.Context(), s.ParkedRecords, 10)
		return []map[string]projection.Record{got}, err
	})
}

func testSinkNoParts(t *testing.T, h Tables) {
	s := newSink(t, h)
	mustFinish(t, s)
	wantTable(t, s, nil)
	mustWrite(t, s, []projection.Change{change("loan-1", 1, add(day, "loans", 1))})
	mustFinish(t, s)
	wantTable(t, s, []projection.Change{change("loan-1", 1)})
	wantTotals(t, s, map[string]map[string]int64{day: {"loans": 1}})
}

func testSinkEmptyPart(t *testing.T, h Tables) {
	s := newSink(t, h)
	mustPut(t, s, "empty", nil)
	mustPut(t, s, "full", bulkRows("a", 3))
	mustPut(t, s, "empty", nil)
	mustFinish(t, s)
	wantTable(t, s, bulkRows("a", 3))
	wantTotals(t, s, map[string]map[string]int64{day: {"loans": 3}})
}

func testSinkManyRows(t *testing.T, h Tables) {
	s := newSink(t, h)
	rows := bulkRows("many", 1234)
	for i := range rows {
		rows[i].Place.Bucket = fmt.Sprintf("2026-02-%02d", 1+i%28)
	}
	mustPut(t, s, "many", rows)
	mustFinish(t, s)
	wantTable(t, s, rows)
	wantTotals(t, s, map[string]map[string]int64{day: {"loans": 1234}})
	wantLists(t, h, s, rows)
}

func testSinkLargeRows(t *testing.T, h Tables) {
	s := newSink(t, h)
	rows := bulkRows("large", 12)
	for i := range rows {
		rows[i].Data = fmt.Appendf(nil, `{"text":"%0*d"}`, h.MaxRowBytes-len(`{"text":""}`), i)
	}
	mustPut(t, s, "large", rows)
	mustFinish(t, s)
	for _, c := range rows {
		got, err := s.Record(t.Context(), v1, c.Stream)
		if err != nil || string(got.Data) != string(c.Data) {
			t.Errorf("%s came back with %d bytes, want %d: %v", c.Stream, len(got.Data), len(c.Data), err)
		}
	}
	wantTotals(t, s, map[string]map[string]int64{day: {"loans": 12}})
}

// breaking returns rows that end with the error of f after that many.
func breaking(rows iter.Seq2[projection.Record, error], after int, f func() error) iter.Seq2[projection.Record, error] {
	return func(yield func(projection.Record, error) bool) {
		n := 0
		for r, err := range rows {
			if n == after {
				if broken := f(); broken != nil {
					yield(projection.Record{}, broken)
					return
				}
			}
			n++
			if !yield(r, err) {
				return
			}
		}
	}
}

var errRows = errors.New("the rows cannot be made")
