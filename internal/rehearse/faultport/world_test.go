package faultport_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gakushoku/internal/canteen"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/query"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/rehearse/faultport"
	"gakushoku/internal/store/memory"
)

const orders = "orders"

var v1 = projection.Table{Projection: orders, Version: 1}

// world is a whole system in memory. What its methods make of it has its ports behind a gate.
type world struct {
	t        *testing.T
	events   *memory.Events
	tables   *memory.Tables
	control  *memory.Control
	ledger   *memory.Ledger
	blobs    *memory.Blobs
	archived eventstore.Mark
	plain    bool // the stores have no snapshots and no order
	ids      atomic.Int64
	clock    atomic.Int64
}

// open lets every call through.
var open = &faultport.Faults{}

// serving is a world with five orders, all delivered and archived, one of them set aside.
func serving(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, events: memory.NewEvents(), tables: memory.NewTables(), control: memory.NewControl(), ledger: memory.NewLedger(), blobs: memory.NewBlobs()}
	w.blobs.Now = w.now
	w.clock.Store(1769212800000)
	w.must(projection.Ensure(t.Context(), w.control, w.tables, readmodel.Orders()))
	for _, order := range []string{"a0", "a14", "a26", "a31", "a40"} { // they are in two partitions of the log
		w.place(order)
		if order != "a14" && order != "a31" {
			w.pay(order)
		}
	}
	w.place("a31") // which cannot be applied
	w.must(w.project(t.Context(), open))
	w.must(w.follower(open).CatchUp(t.Context()))
	return w
}

func request() rebuild.Request { return rebuild.Request{Projection: orders, AllowParked: 10} }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) now() time.Time { return time.UnixMilli(w.clock.Add(1)).UTC() }

func (w *world) newID() string { return fmt.Sprintf("%026d", w.ids.Add(1)) }

func (w *world) append(order, typ, payload string) {
	w.t.Helper()
	stream := event.OrderStream(order)
	history, err := w.events.Load(w.t.Context(), stream, 0)
	w.must(err)
	e := event.Event{ID: w.newID(), Type: typ, OccurredAt: 1769212800000, CorrelationID: "c-" + order, Payload: []byte(payload), Schema: 1}
	w.must(w.events.Append(w.t.Context(), stream, uint64(len(history)), []event.Event{e}))
}

func (w *world) place(order string) {
	w.t.Helper()
	w.append(order, event.OrderPlacedType, fmt.Sprintf(`{"orderId":%q,"total":780}`, order))
}

func (w *world) pay(order string) {
	w.t.Helper()
	w.append(order, event.OrderPaidType, fmt.Sprintf(`{"orderId":%q,"paidAt":"2026-01-24T03:00:00.000Z"}`, order))
}

// spoil writes a wrong row into a table, and what it adds to totals.
func (w *world) spoil(t projection.Table, order string) {
	w.t.Helper()
	stream := event.OrderStream(order)
	rows, err := w.tables.Records(w.t.Context(), t, []string{stream})
	w.must(err)
	r := rows[stream]
	r.Data = []byte(strings.Replace(string(r.Data), "780", "790", 1))
	more := []model.Contribution{{Key: "2026-01-24", Field: "revenue.UNKNOWN", Amount: 10}}
	_, err = w.tables.Write(w.t.Context(), t, []projection.Change{{Record: r, Expected: r.Writes, Totals: more}})
	w.must(err)
}

// Archived and SetArchived are eventlog.Position.
func (w *world) Archived(context.Context) (eventstore.Mark, error) { return w.archived, nil }

func (w *world) SetArchived(_ context.Context, m eventstore.Mark) error {
	w.archived = m
	return nil
}

// Running is rebuild.Runs.
func (*world) Running(context.Context, string) (bool, error) { return false, nil }

func noPause(ctx context.Context, _ time.Duration) error { return ctx.Err() }

func (w *world) streams(g faultport.Gate) eventstore.Store {
	streams := faultport.Events{Store: w.events, Gate: g}
	if w.plain {
		return streams
	}
	return faultport.Ordered{Events: streams, Ranger: w.events}
}

func (w *world) rows(g faultport.Gate) rebuild.Tables {
	bulk := faultport.Bulk{Tables: faultport.Tables{Store: w.tables, Gate: g}, Sink: faultport.Sink{Sink: w.tables, Gate: g}}
	if w.plain {
		return bulk
	}
	return faultport.Snapshots{Bulk: bulk, Snapshotter: w.tables}
}

func (w *world) pointers(g faultport.Gate) projection.Pointers {
	return faultport.Pointers{Pointers: w.control, Gate: g}
}

func (w *world) objects(g faultport.Gate) eventlog.Blobs {
	return faultport.Blobs{Blobs: w.blobs, Gate: g}
}

func (w *world) reader(g faultport.Gate) *eventlog.Reader {
	return &eventlog.Reader{Ledger: faultport.Ledger{Ledger: w.ledger, Gate: g}, Blobs: w.objects(g)}
}

func (w *world) projector(g faultport.Gate) *projection.Projector {
	return &projection.Projector{
		Projections: canteen.Projections(), Tables: w.rows(g), Streams: w.streams(g), Now: w.now,
		Pointers: &projection.CachedPointers{Source: w.pointers(g), Now: w.now},
		Pause:    func(ctx context.Context, _ int) error { return ctx.Err() },
	}
}

func (w *world) archiver(g faultport.Gate) *eventlog.Archiver {
	return &eventlog.Archiver{Ledger: faultport.Ledger{Ledger: w.ledger, Gate: g}, Blobs: w.objects(g), Now: w.now, NewID: w.newID, Pause: noPause, Attempts: 3}
}

func (w *world) follower(g faultport.Gate) *eventlog.Follower {
	return &eventlog.Follower{Store: faultport.Numbered{Store: w.events, Gate: g}, Position: faultport.Position{Position: w, Gate: g}, Archiver: w.archiver(g), Events: 4}
}

func (w *world) rebuilder(g faultport.Gate) *rebuild.Engine {
	return &rebuild.Engine{
		Projections: canteen.Projections(), Pointers: w.pointers(g), Tables: w.rows(g), Streams: w.streams(g), Blobs: w.objects(g), Log: w.reader(g),
		Projector: w.projector(g), Runs: faultport.Runs{Runs: w, Gate: g}, Now: w.now, Sleep: noPause, Archive: w.follower(g).CatchUp,
		Settings: rebuild.Settings{PartEvents: 100, VerifyParts: 2, Workers: 1},
	}
}

func (w *world) driver(g faultport.Gate) *rebuild.Driver {
	return &rebuild.Driver{Engine: w.rebuilder(g), Workers: 1, Approve: func(context.Context, rebuild.Run) (rebuild.Decision, error) {
		return rebuild.Decision{Approved: true}, nil
	}}
}

func (w *world) models(g faultport.Gate) *verify.ReadModels {
	return &verify.ReadModels{
		Verifier:    verify.Verifier{Tables: w.rows(g), Streams: w.streams(g), Log: w.reader(g), Projector: w.projector(g), Now: w.now},
		Projections: canteen.Projections(), Pointers: w.pointers(g), Numbers: &eventlog.Numberer{Log: w.reader(g), Streams: w.streams(g)},
	}
}

func (w *world) log(g faultport.Gate) *logcheck.Log {
	return &logcheck.Log{
		Ledger: faultport.Ledger{Ledger: w.ledger, Gate: g}, Blobs: w.objects(g), Store: w.streams(g), Now: w.now, NewID: w.newID, Pause: noPause, Workers: 1, Held: 7,
	}
}

func (w *world) service(g faultport.Gate) *query.Service {
	return &query.Service{
		Pointers: &projection.CachedPointers{Source: w.pointers(g), Now: w.now}, Browser: faultport.Tables{Store: w.tables, Gate: g},
		Streams: w.streams(g), Projections: canteen.Projections(), Now: w.now,
	}
}

func (w *world) handler(g faultport.Gate) *command.Handler {
	return &command.Handler{Streams: w.streams(g), Now: w.now, NewID: w.newID}
}

// live is the projector with its checkpoint.
func (w *world) live(g faultport.Gate) *projection.Follower {
	return &projection.Follower{
		Name: "projector", Feed: faultport.Feed{Feed: w.events, Gate: g}, Checkpoints: faultport.Checkpoints{Checkpoints: w.control, Gate: g},
		Projector: w.projector(g), Batch: 5,
	}
}

// project delivers all that is new.
func (w *world) project(ctx context.Context, g faultport.Gate) error {
	for live := w.live(g); ; {
		if more, err := live.Once(ctx); err != nil || !more {
			return err
		}
	}
}

// stored tells all events of the store, without what depends on when they were made.
func (w *world) stored() string {
	var b strings.Builder
	w.must(w.events.EachID(context.Background(), func(_, stream string, version uint64) error {
		_, err := fmt.Fprintf(&b, "%s@%d\n", stream, version)
		return err
	}))
	return b.String()
}

// logged tells what the log holds, which has to be dense and whole, with a manifest beside each segment.
func (w *world) logged() string {
	report, err := w.log(open).Verify(context.Background(), logcheck.Options{Deep: true})
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("sound: %v, %d events of the store, problems: %v", report.Sound, report.Events, report.Counts)
}

// shown tells the versions of the read model by their states, and what is in them.
func (w *world) shown() string {
	pointer, err := w.control.Pointer(context.Background(), orders)
	w.must(err)
	var versions []string
	for _, v := range pointer.Versions {
		versions = append(versions, string(v.State)+"\n"+w.table(pointer.Table(v)))
	}
	slices.Sort(versions)
	return strings.Join(versions, "") + w.unlisted(pointer)
}

// unlisted tells the tables that nobody knows of any more.
func (w *world) unlisted(p projection.Pointer) (all string) {
	for n := range p.Next + 2 {
		t := projection.Table{Projection: orders, Version: n}
		_, err := w.tables.Totals(context.Background(), t)
		if err == nil && !slices.ContainsFunc(p.Versions, func(v projection.Version) bool { return v.Number == n }) {
			all += "a table that nobody knows\n"
		}
	}
	return all
}

func (w *world) table(t projection.Table) string {
	rows, _, err := w.tables.Scan(context.Background(), t, eventstore.All, "", 1000)
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "  %s@%d %s %v", r.Stream, r.Version, r.Data, r.Place)
		if r.Parked != nil {
			fmt.Fprintf(&b, " set aside at %d", r.Parked.EventVersion)
		}
		b.WriteString("\n")
	}
	totals, err := w.tables.Totals(context.Background(), t)
	w.must(err)
	fmt.Fprintf(&b, "  %v\n", totals)
	return b.String()
}

// text is a value as JSON.
func text(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}
