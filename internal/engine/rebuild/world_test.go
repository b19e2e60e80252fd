package rebuild_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/canteen"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/rehearse/inmemory"
)

const orders = readmodel.OrdersName

var v1 = projection.Table{Projection: orders, Version: 1}

// world is a system in memory with the engine of rebuilds over it.
type world struct {
	*inmemory.System
	engine *rebuild.Engine
	alive  map[string]bool // runs that are going on
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{System: inmemory.New(t), alive: map[string]bool{}}
	w.engine = &rebuild.Engine{
		Projections: canteen.Projections(),
		Pointers:    w.Control, Tables: w.Tables, Streams: w.Events, Blobs: w.Blobs, Runs: w,
		Log: w.Log(), Projector: w.Projector(), Now: w.Now, Archive: w.Archive,
		Settings: rebuild.Settings{PartEvents: 1000, VerifyParts: 1, Workers: 2, PointerTTL: time.Millisecond, ProjectorTimeout: time.Millisecond, LagBound: 20 * time.Millisecond},
	}
	return w
}

// serving is a world with the orders of lives("a", n), which live delivery has brought in.
func serving(t *testing.T, n int) *world {
	t.Helper()
	w := newWorld(t)
	w.lives("a", n)
	w.MustProject()
	return w
}

// rebuilt is serving after a first run, r1: version 2 is active, and 1 the previous one.
func rebuilt(t *testing.T, n int) *world {
	t.Helper()
	w := serving(t, n)
	w.mustRun("r1", request())
	return w
}

// Running is rebuild.Runs.
func (w *world) Running(_ context.Context, runID string) (bool, error) { return w.alive[runID], nil }

func (w *world) driver() *rebuild.Driver { return &rebuild.Driver{Engine: w.engine, Workers: 2} }

// lives places n orders and pays every other one.
func (w *world) lives(prefix string, n int) {
	w.TB.Helper()
	for i := range n {
		order := fmt.Sprintf("%s%03d", prefix, i)
		w.Place(order)
		if i%2 == 0 {
			w.Pay(order)
		}
	}
}

// breakRow does what a bad deployment does: it writes a wrong row with wrong totals.
func (w *world) breakRow(stream string) {
	w.TB.Helper()
	w.spoil(v1, stream)
}

func (w *world) spoil(table projection.Table, stream string) {
	w.TB.Helper()
	w.Edit(table, stream, inmemory.Replace("PAID", "ORDERED"))
}

// remove takes a row of version 1 away behind the engine's back.
func (w *world) remove(stream string) {
	w.TB.Helper()
	w.Edit(v1, stream, inmemory.Erase)
}

// states are the versions on the pointer with their states.
func (w *world) states() map[int]projection.State {
	w.TB.Helper()
	states := map[int]projection.State{}
	for _, v := range w.Pointer(orders).Versions {
		states[v.Number] = v.State
	}
	return states
}

func (w *world) wantStates(want map[int]projection.State) {
	w.TB.Helper()
	if diff := cmp.Diff(want, w.states()); diff != "" {
		w.TB.Errorf("versions (-want +got):\n%s", diff)
	}
}

// wantFolded wants a table's rows and totals to be what all events fold to.
func (w *world) wantFolded(t projection.Table) {
	w.TB.Helper()
	fresh := projection.Table{Projection: "folded", Version: int(w.Now().UnixMilli())}
	if err := w.Tables.Create(context.Background(), fresh); err != nil {
		w.TB.Fatal(err)
	}
	streams, _, err := w.Events.Streams(context.Background(), eventstore.All, "", 100_000)
	if err != nil {
		w.TB.Fatal(err)
	}
	if err := w.Projector().Heal(context.Background(), readmodel.Orders(), fresh, streams); err != nil {
		w.TB.Fatal(err)
	}
	if diff := cmp.Diff(w.Rows(fresh), w.Rows(t)); diff != "" {
		w.TB.Errorf("rows of %s (-folded +stored):\n%s", t, diff)
	}
	if diff := cmp.Diff(w.Totals(fresh), w.Totals(t)); diff != "" {
		w.TB.Errorf("totals of %s (-folded +stored):\n%s", t, diff)
	}
}

// verified is the operator's verification of a version.
func (w *world) verified(t projection.Table) verify.Report {
	w.TB.Helper()
	v := &verify.Verifier{Tables: w.Tables, Streams: w.Events, LagBound: time.Millisecond, Now: time.Now}
	report, err := v.Table(w.TB.Context(), readmodel.Orders(), t, verify.Options{})
	if err != nil {
		w.TB.Fatal(err)
	}
	return report
}

func version(number int) projection.Table {
	return projection.Table{Projection: orders, Version: number}
}

func request() rebuild.Request { return rebuild.Request{Projection: orders} }

func (w *world) mustRun(runID string, r rebuild.Request) rebuild.Run {
	w.TB.Helper()
	run, err := w.driver().Run(w.TB.Context(), runID, r)
	if err != nil {
		w.TB.Fatal(err)
	}
	return run
}

// archiveWithout archives every event but one.
func (w *world) archiveWithout(t *testing.T, stream string, version uint64) {
	t.Helper()
	events, _, err := w.Events.Read(t.Context(), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	var batch []eventlog.Record
	for _, e := range events {
		if e.Stream != stream || e.Version != version {
			batch = append(batch, eventlog.Record{Source: e.ID, Event: e})
		}
	}
	if _, err := w.Archiver().Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
}

func (w *world) must(run rebuild.Run, err error) rebuild.Run {
	w.TB.Helper()
	if err != nil {
		w.TB.Fatal(err)
	}
	return run
}

// planned is a run that is about to be replayed.
func (w *world) planned(runID string) rebuild.Run {
	w.TB.Helper()
	return w.must(w.engine.Plan(w.TB.Context(), w.must(w.engine.Prepare(w.TB.Context(), runID, request()))))
}

func (w *world) items(run rebuild.Run) []rebuild.Item {
	w.TB.Helper()
	raw, err := w.Blobs.Get(w.TB.Context(), run.Plan.Key)
	if err != nil {
		w.TB.Fatal(err)
	}
	var items []rebuild.Item
	if err := json.Unmarshal(raw, &items); err != nil {
		w.TB.Fatal(err)
	}
	return items
}

// pad is the i-th order of lives("a", ...).
func pad(i int) string { return fmt.Sprintf("a%03d", i) }
