package rebuild_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/store/memory"
)

const orders = readmodel.OrdersName

var v1 = projection.Table{Projection: orders, Version: 1}

// world is a whole system in memory, with the engine of rebuilds over it.
type world struct {
	t       *testing.T
	events  *memory.Events
	tables  *memory.Tables
	control *memory.Control
	blobs   *memory.Blobs
	ledger  *memory.Ledger
	engine  *rebuild.Engine
	alive   map[string]bool // runs that are going on
	ids     atomic.Int64
	clock   atomic.Int64 // milliseconds
	mu      sync.Mutex   // of archive
	cursor  string
	feed    string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, events: memory.NewEvents(), tables: memory.NewTables(), control: memory.NewControl(),
		blobs: memory.NewBlobs(), ledger: memory.NewLedger(), alive: map[string]bool{},
	}
	w.clock.Store(1769212800000)
	if err := projection.Ensure(t.Context(), w.control, w.tables, readmodel.Orders()); err != nil {
		t.Fatal(err)
	}
	w.engine = &rebuild.Engine{
		Projections: []model.Projection{readmodel.Orders()},
		Pointers:    w.control, Tables: w.tables, Streams: w.events, Blobs: w.blobs, Runs: w,
		Log:       &eventlog.Reader{Ledger: w.ledger, Blobs: w.blobs},
		Projector: w.projector(), Now: w.now, Archive: w.archive,
		Settings: rebuild.Settings{PartEvents: 1000, VerifyParts: 1, Workers: 2, PointerTTL: time.Millisecond, ProjectorTimeout: time.Millisecond, LagBound: 20 * time.Millisecond},
	}
	return w
}

// serving is a world with the orders of lives("a", n), which live delivery has brought in.
func serving(t *testing.T, n int) *world {
	t.Helper()
	w := newWorld(t)
	w.lives("a", n)
	w.mustProject()
	return w
}

// rebuilt is serving after a first run, r1: version 2 is active, and 1 the previous one.
func rebuilt(t *testing.T, n int) *world {
	t.Helper()
	w := serving(t, n)
	w.mustRun("r1", request())
	return w
}

func (w *world) now() time.Time { return time.UnixMilli(w.clock.Add(1)).UTC() }

// Running is rebuild.Runs.
func (w *world) Running(_ context.Context, runID string) (bool, error) { return w.alive[runID], nil }

func (w *world) projector() *projection.Projector {
	return &projection.Projector{
		Projections: []model.Projection{readmodel.Orders()}, Tables: w.tables, Streams: w.events, Now: w.now,
		Pointers: &projection.CachedPointers{Source: w.control, Now: time.Now},
	}
}

func (w *world) driver() *rebuild.Driver { return &rebuild.Driver{Engine: w.engine, Workers: 2} }

// append adds an event to an order's stream as it stands.
func (w *world) append(order, typ, payload string) {
	w.t.Helper()
	stream := event.OrderStream(order)
	history, err := w.events.Load(context.Background(), stream, 0)
	if err != nil {
		w.t.Error(err)
		return
	}
	e := event.Event{
		ID: fmt.Sprintf("e%06d", w.ids.Add(1)), Type: typ, OccurredAt: event.InstantOf(w.now()), CorrelationID: "c-" + order,
		Payload: []byte(payload), Schema: 1,
	}
	if err := w.events.Append(context.Background(), stream, uint64(len(history)), []event.Event{e}); err != nil {
		w.t.Error(err)
	}
}

func (w *world) place(order string) {
	w.t.Helper()
	w.append(order, event.OrderPlacedType, fmt.Sprintf(`{"orderId":%q,"total":780}`, order))
}

func (w *world) pay(order string) {
	w.t.Helper()
	w.append(order, event.OrderPaidType, fmt.Sprintf(`{"orderId":%q,"paidAt":"2026-01-24T03:00:00.000Z"}`, order))
}

// poison adds an event that no fold can apply: an order that is placed again.
func (w *world) poison(order string) {
	w.t.Helper()
	w.place(order)
}

// lives places n orders and pays every other one.
func (w *world) lives(prefix string, n int) {
	w.t.Helper()
	for i := range n {
		order := fmt.Sprintf("%s%03d", prefix, i)
		w.place(order)
		if i%2 == 0 {
			w.pay(order)
		}
	}
}

// archive puts what is new into the log.
func (w *world) archive(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	archiver := &eventlog.Archiver{Ledger: w.ledger, Blobs: w.blobs, Now: w.now, NewID: func() string { return fmt.Sprintf("%026d", w.ids.Add(1)) }}
	for {
		events, next, err := w.events.Read(ctx, w.cursor, 50)
		if err != nil || len(events) == 0 {
			return err
		}
		batch := make([]eventlog.Record, len(events))
		for i, e := range events {
			batch[i] = eventlog.Record{Source: e.ID, Event: e}
		}
		if _, err := archiver.Commit(ctx, batch); err != nil {
			return err
		}
		w.cursor = next
	}
}

// project delivers what is new.
func (w *world) project(ctx context.Context, p *projection.Projector) error {
	for {
		events, next, err := w.events.Read(ctx, w.feed, 50)
		if err != nil || len(events) == 0 {
			return err
		}
		if err := p.Apply(ctx, events).Err(); err != nil {
			return err
		}
		w.feed = next
	}
}

func (w *world) mustProject() {
	w.t.Helper()
	if err := w.project(w.t.Context(), w.projector()); err != nil {
		w.t.Fatal(err)
	}
}

// breakRow does what a bad deployment does: it writes a wrong row with wrong totals.
func (w *world) breakRow(stream string) {
	w.t.Helper()
	w.spoil(v1, stream)
}

func (w *world) spoil(table projection.Table, stream string) {
	w.t.Helper()
	records, err := w.tables.Records(w.t.Context(), table, []string{stream})
	if err != nil {
		w.t.Fatal(err)
	}
	r := records[stream]
	r.Data = []byte(strings.Replace(string(r.Data), "PAID", "ORDERED", 1))
	if late, err := w.tables.Write(w.t.Context(), table, []projection.Change{{Record: r, Expected: r.Writes}}); err != nil || len(late) > 0 {
		w.t.Fatal(late, err)
	}
}

// remove takes a row of version 1 away behind the engine's back; totals have its share still.
func (w *world) remove(stream string) {
	w.t.Helper()
	records, err := w.tables.Records(w.t.Context(), v1, []string{stream})
	if err != nil {
		w.t.Fatal(err)
	}
	change := projection.Change{Record: projection.Record{Stream: stream}, Expected: records[stream].Writes}
	if late, err := w.tables.Write(w.t.Context(), v1, []projection.Change{change}); err != nil || len(late) > 0 {
		w.t.Fatal(late, err)
	}
}

// totals are those of a table.
func (w *world) totals(t projection.Table) map[string]map[string]int64 {
	w.t.Helper()
	totals, err := w.tables.Totals(context.Background(), t)
	if err != nil {
		w.t.Fatal(err)
	}
	return totals
}

func (w *world) pointer() projection.Pointer {
	w.t.Helper()
	p, err := w.control.Pointer(w.t.Context(), orders)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// states are the versions on the pointer with their states.
func (w *world) states() map[int]projection.State {
	w.t.Helper()
	states := map[int]projection.State{}
	for _, v := range w.pointer().Versions {
		states[v.Number] = v.State
	}
	return states
}

func (w *world) wantStates(want map[int]projection.State) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.states()); diff != "" {
		w.t.Errorf("versions (-want +got):\n%s", diff)
	}
}

// rows are the rows of a table without what depends on how they came to be.
func (w *world) rows(t projection.Table) map[string]string {
	w.t.Helper()
	rows := map[string]string{}
	for cursor := ""; ; {
		records, next, err := w.tables.Scan(context.Background(), t, eventstore.All, cursor, 100)
		if err != nil {
			w.t.Fatalf("scanning %s: %v", t, err)
		}
		for _, r := range records {
			parked := ""
			if r.Parked != nil {
				parked = fmt.Sprintf(" parked at %d", r.Parked.EventVersion)
			}
			rows[r.Stream] = fmt.Sprintf("v%d %s %v%s", r.Version, r.Data, r.Place, parked)
		}
		if cursor = next; next == "" {
			return rows
		}
	}
}

// wantFolded wants a table's rows and totals to be what all events fold to.
func (w *world) wantFolded(t projection.Table) {
	w.t.Helper()
	fresh := projection.Table{Projection: "folded", Version: int(w.ids.Add(1))}
	if err := w.tables.Create(context.Background(), fresh); err != nil {
		w.t.Fatal(err)
	}
	streams, _, err := w.events.Streams(context.Background(), eventstore.All, "", 100_000)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.projector().Heal(context.Background(), readmodel.Orders(), fresh, streams); err != nil {
		w.t.Fatal(err)
	}
	if diff := cmp.Diff(w.rows(fresh), w.rows(t)); diff != "" {
		w.t.Errorf("rows of %s (-folded +stored):\n%s", t, diff)
	}
	if diff := cmp.Diff(w.totals(fresh), w.totals(t)); diff != "" {
		w.t.Errorf("totals of %s (-folded +stored):\n%s", t, diff)
	}
}

// verified is the operator's verification of a version.
func (w *world) verified(t projection.Table) verify.Report {
	w.t.Helper()
	v := &verify.Verifier{Tables: w.tables, Streams: w.events, LagBound: time.Millisecond, Now: time.Now}
	report, err := v.Table(w.t.Context(), readmodel.Orders(), t, verify.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}

func version(number int) projection.Table {
	return projection.Table{Projection: orders, Version: number}
}

func request() rebuild.Request { return rebuild.Request{Projection: orders} }

func (w *world) mustRun(runID string, r rebuild.Request) rebuild.Run {
	w.t.Helper()
	run, err := w.driver().Run(w.t.Context(), runID, r)
	if err != nil {
		w.t.Fatal(err)
	}
	return run
}

// archiveWithout archives every event but one.
func (w *world) archiveWithout(t *testing.T, stream string, version uint64) {
	t.Helper()
	events, _, err := w.events.Read(t.Context(), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	var batch []eventlog.Record
	for _, e := range events {
		if e.Stream != stream || e.Version != version {
			batch = append(batch, eventlog.Record{Source: e.ID, Event: e})
		}
	}
	archiver := &eventlog.Archiver{Ledger: w.ledger, Blobs: w.blobs, Now: w.now, NewID: func() string { return fmt.Sprintf("%026d", w.ids.Add(1)) }}
	if _, err := archiver.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
}

func (w *world) must(run rebuild.Run, err error) rebuild.Run {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	return run
}

// planned is a run that is about to be replayed.
func (w *world) planned(runID string) rebuild.Run {
	w.t.Helper()
	return w.must(w.engine.Plan(w.t.Context(), w.must(w.engine.Prepare(w.t.Context(), runID, request()))))
}

func (w *world) items(run rebuild.Run) []rebuild.Item {
	w.t.Helper()
	raw, err := w.blobs.Get(w.t.Context(), run.Plan.Key)
	if err != nil {
		w.t.Fatal(err)
	}
	var items []rebuild.Item
	if err := json.Unmarshal(raw, &items); err != nil {
		w.t.Fatal(err)
	}
	return items
}

// pad is the i-th order of lives("a", ...).
func pad(i int) string { return fmt.Sprintf("a%03d", i) }
