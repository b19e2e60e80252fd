package verify_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/rehearse/inmemory"
	"gakushoku/internal/store/memory"
)

// orders makes this many paid orders.
func (w *world) orders(n int) {
	w.TB.Helper()
	for i := range n {
		w.order(fmt.Sprintf("o%04d", i))
	}
}

func TestProblemsAreAllCountedAndAHundredAreTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 1200 {
		id := fmt.Sprintf("o%04d", i)
		if i%8 == 0 {
			w.Append(id, order.Placed{OrderID: id, Total: 5})
		} else {
			w.order(id)
		}
	}
	r := w.verify(w.verifier(false), verify.Options{})
	if r.Counts[verify.Missing] != 150 || len(r.Problems) != 100 || r.Rows != 1050 || r.Streams != 1200 || r.Events != 2100 || len(r.Totals) != 0 {
		t.Errorf("counts %v, %d problems, %d rows, %d streams, %d events", r.Counts, len(r.Problems), r.Rows, r.Streams, r.Events)
	}
	if !slices.IsSortedFunc(r.Problems, func(a, b verify.Problem) int { return strings.Compare(a.Stream, b.Stream) }) {
		t.Error("the problems are not in order")
	}
	r = w.verify(w.verifier(false), verify.Options{Fix: true})
	if r.Mended() != 150 || len(r.Problems) != 100 || !r.Sound() {
		t.Errorf("fixed %v, %d problems, totals %v", r.Fixed, len(r.Problems), r.Totals)
	}
}

func TestASampleLooksAtSomeStreamsAndAtNoTotals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.orders(1000)
	r := w.verify(w.verifier(true), verify.Options{Sample: 0.3})
	if r.Rows < 200 || r.Rows > 400 || r.Streams != r.Rows || r.Checked != 0 || r.Sample != 0.3 || !r.Sound() {
		t.Errorf("%+v", r)
	}
	if all := w.verify(w.verifier(true), verify.Options{Sample: 1}); all.Rows != 1000 || all.Checked == 0 {
		t.Errorf("a sample of everything: %+v", all)
	}
	for i := range 1000 {
		w.edit(fmt.Sprintf("order-o%04d", i), inmemory.Erase)
	}
	if r := w.verify(w.verifier(false), verify.Options{Sample: 0.3}); r.Counts[verify.Missing] < 200 || r.Counts[verify.Missing] > 400 {
		t.Errorf("%v missing", r.Counts)
	}
	for _, sample := range []float64{-0.1, 1.1} {
		if _, err := w.verifier(false).Rows(t.Context(), orders, table, verify.Options{Sample: sample}); err == nil {
			t.Errorf("a sample of %g was taken", sample)
		}
	}
}

// Mutation caught: a sample so small that nothing is looked at, and nothing is found to be wrong.
func TestNoSampleIsEmpty(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if r := w.verify(w.verifier(false), verify.Options{Sample: 1e-9}); r.Streams != 0 || r.Rows != 0 || !r.Sound() {
		t.Errorf("of nothing: %+v", r)
	}
	w.orders(600)
	if r := w.verify(w.verifier(false), verify.Options{Sample: 1e-9}); r.Streams != 1 || r.Rows != 1 || !r.Sound() {
		t.Errorf("of 600 streams: %+v", r)
	}
	for i := range 600 {
		w.edit(fmt.Sprintf("order-o%04d", i), inmemory.Erase)
	}
	if r := w.verify(w.verifier(false), verify.Options{Sample: 1e-9}); r.Streams != 1 || r.Counts[verify.Missing] != 1 {
		t.Errorf("of 600 streams without rows: %+v", r)
	}
}

// Mutation caught: rows that come up while they are waited for are compared and not counted.
func TestRowsThatComeLateAreCounted(t *testing.T) {
	t.Parallel()
	for _, snapshots := range []bool{false, true} {
		w := newWorld(t)
		w.order("o1")
		late := w.Append("o2", order.Placed{OrderID: "o2", Total: 780})
		v := w.verifier(snapshots)
		v.Sleep = func(context.Context, time.Duration) error {
			w.project(late)
			return nil
		}
		if r := w.verify(v, verify.Options{}); r.Streams != 2 || r.Rows != 2 || r.Events != 3 || !r.Sound() {
			t.Errorf("snapshots %t: %+v", snapshots, r)
		}
	}
}

func TestOnlyWhatIsBehindIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.orders(3)
	v := w.verifier(false)
	now := time.Unix(1_769_212_800, 0)
	v.Now = func() time.Time { return now }
	v.LagBound = 5 * time.Second
	var waits []time.Duration
	v.Sleep = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
	if r := w.verify(v, verify.Options{}); !r.Sound() || len(waits) != 0 {
		t.Errorf("waited %v for nothing: %+v", waits, r)
	}
	late := w.Append("o0001", order.PreparationStarted{OrderID: "o0001"})
	late = append(late, w.Append("new", order.Placed{OrderID: "new", Total: 1})...)
	v.Sleep = func(_ context.Context, d time.Duration) error {
		waits = append(waits, d)
		w.project(late)
		// What comes after the first look is for the next verification.
		w.Append("o0001", order.Ready{OrderID: "o0001"})
		return nil
	}
	if r := w.verify(v, verify.Options{}); !r.Sound() || !slices.Equal(waits, []time.Duration{5 * time.Second}) {
		t.Errorf("waited %v: %+v", waits, r)
	}
	v.Sleep = func(ctx context.Context, d time.Duration) error { return context.Canceled }
	if _, err := v.Table(t.Context(), orders, table, verify.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted wait: %v", err)
	}
}

// holey is an event store that has lost an event.
type holey struct {
	*memory.Events
	stream  string
	version uint64
}

func (h holey) LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error) {
	all, err := h.Events.LoadMany(ctx, streams)
	all[h.stream] = slices.DeleteFunc(all[h.stream], func(e event.Event) bool { return e.Version == h.version })
	return all, err
}

// around lets something happen before and after the rows are read.
type around struct {
	projection.Store
	before, after func()
}

func (a around) Scan(ctx context.Context, t projection.Table, part eventstore.Part, cursor string, limit int) ([]projection.Record, string, error) {
	a.before()
	rows, next, err := a.Store.Scan(ctx, t, part, cursor, limit)
	a.after()
	return rows, next, err
}

// A row that comes up during a verification, but only to a part of what its stream had, is as
// stale as one that was there before: nobody will bring the rest.
func TestARowThatComesUpOnlyInPartIsStale(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"before the rows are read", "after the rows are read", "between the two looks"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.order("o1")
			events := w.Append("o2", order.Placed{OrderID: "o2", Total: 780}, order.Paid{OrderID: "o2", PaidAt: start, Method: order.MethodCash})
			at := func(moment string) func() {
				return func() {
					if moment == when {
						w.project(events[:1])
					}
				}
			}
			v := w.verifier(false)
			v.Tables = around{w.Tables, at("before the rows are read"), at("after the rows are read")}
			v.Sleep = func(context.Context, time.Duration) error {
				at("between the two looks")()
				return nil
			}
			r := w.verify(v, verify.Options{Fix: true})
			if len(r.Problems) != 1 || r.Problems[0].Class != verify.Stale || r.Problems[0].Stream != "order-o2" || r.Fixed[verify.Stale] != 1 || !r.Sound() {
				t.Errorf("%+v", r)
			}
			rows, err := w.Tables.Records(t.Context(), table, []string{"order-o2"})
			if err != nil || rows["order-o2"].Version != 2 {
				t.Errorf("the row is at version %d, want 2: %v", rows["order-o2"].Version, err)
			}
		})
	}
}

func TestAStreamThatLacksAnEventIsBroken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.orders(3)
	w.Append("o0002", order.PreparationStarted{OrderID: "o0002"})
	for _, version := range []uint64{1, 2} {
		v := w.verifier(false)
		v.Streams = holey{w.Events, "order-o0002", version}
		for _, fix := range []bool{false, true} {
			r := w.verify(v, verify.Options{Fix: fix})
			if r.Sound() || r.Counts[verify.Broken] != 1 || r.Problems[0].Fixed || !strings.Contains(r.Problems[0].Reason, "event store") {
				t.Errorf("without version %d: %+v", version, r)
			}
		}
	}
}

func TestProgressGrowsToWhatTheReportSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.orders(1100)
	var seen []verify.Progress
	r := w.verify(w.verifier(false), verify.Options{Progress: func(p verify.Progress) { seen = append(seen, p) }})
	last := seen[len(seen)-1]
	if len(seen) != 6 || last.Rows != r.Rows || last.Events != r.Events || last.Streams != r.Streams || last.Problems != 0 {
		t.Errorf("%d reports, the last %+v; the report %+v", len(seen), last, r)
	}
	for i := 1; i < len(seen); i++ {
		if seen[i].Rows < seen[i-1].Rows || seen[i].Streams < seen[i-1].Streams {
			t.Errorf("progress went back: %+v, %+v", seen[i-1], seen[i])
		}
	}
}

func TestFindingsSurviveBeingStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.orders(5)
	w.edit("order-o0001", func(c *projection.Change) { c.Version = 9 })
	for _, snapshots := range []bool{false, true} {
		found, err := w.verifier(snapshots).Rows(t.Context(), orders, table, verify.Options{Fix: true})
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := json.Marshal(found)
		if err != nil {
			t.Fatal(err)
		}
		var again verify.Findings
		if err := json.Unmarshal(encoded, &again); err != nil {
			t.Fatal(err)
		}
		totals, err := w.Tables.Totals(t.Context(), table)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(verify.Conclude([]*verify.Findings{found}, totals, totals), verify.Conclude([]*verify.Findings{&again}, totals, totals)); diff != "" {
			t.Errorf("the conclusions differ:\n%s", diff)
		}
	}
}

// failing is a table store that fails in one call.
type failing struct {
	projection.Store
	scan, records, totals bool
}

var errDisk = fault.Unavailable(errors.New("the disk is gone"))

func (f failing) Scan(ctx context.Context, t projection.Table, part eventstore.Part, cursor string, limit int) ([]projection.Record, string, error) {
	if f.scan {
		return nil, "", errDisk
	}
	return f.Store.Scan(ctx, t, part, cursor, limit)
}

func (f failing) Records(ctx context.Context, t projection.Table, streams []string) (map[string]projection.Record, error) {
	if f.records {
		return nil, errDisk
	}
	return f.Store.Records(ctx, t, streams)
}

func (f failing) Totals(ctx context.Context, t projection.Table) (map[string]map[string]int64, error) {
	if f.totals {
		return nil, errDisk
	}
	return f.Store.Totals(ctx, t)
}

// failingStreams is an event store that fails in one call.
type failingStreams struct {
	eventstore.Loader
	streams    eventstore.Lister
	load, list bool
}

func (f failingStreams) LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error) {
	if f.load {
		return nil, errDisk
	}
	return f.Loader.LoadMany(ctx, streams)
}

func (f failingStreams) Streams(ctx context.Context, part eventstore.Part, cursor string, limit int) ([]string, string, error) {
	if f.list {
		return nil, "", errDisk
	}
	return f.streams.Streams(ctx, part, cursor, limit)
}

func TestAStoreThatFailsIsNoVerdict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.orders(600)
	for name, change := range map[string]func(*verify.Verifier){
		"scan":    func(v *verify.Verifier) { v.Tables = failing{Store: onlyStore{w.Tables}, scan: true} },
		"records": func(v *verify.Verifier) { v.Tables = failing{Store: onlyStore{w.Tables}, records: true} },
		"totals":  func(v *verify.Verifier) { v.Tables = failing{Store: onlyStore{w.Tables}, totals: true} },
		"load":    func(v *verify.Verifier) { v.Streams = failingStreams{w.Events, w.Events, true, false} },
		"list":    func(v *verify.Verifier) { v.Streams = failingStreams{w.Events, w.Events, false, true} },
	} {
		for _, workers := range []int{1, 4} {
			v := w.verifier(false)
			v.Workers = workers
			change(v)
			if _, err := v.Table(t.Context(), orders, table, verify.Options{}); !errors.Is(err, errDisk) {
				t.Errorf("%s fails, %d workers: %v", name, workers, err)
			}
		}
	}
	if _, err := w.verifier(true).Table(t.Context(), orders, projection.Table{Projection: orders.Name, Version: 9}, verify.Options{}); !errors.Is(err, projection.ErrNoTable) {
		t.Errorf("a table that is not there: %v", err)
	}
	v := w.verifier(false)
	v.Projector = nil
	if _, err := v.Table(t.Context(), orders, table, verify.Options{Fix: true}); err == nil {
		t.Error("fixed without a projector")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.verifier(false).Table(ctx, orders, table, verify.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
