package faultport_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/canteen"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/query"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/fault/retry"
	"gakushoku/internal/model"
	"gakushoku/internal/rehearse/faultport"
	"gakushoku/internal/rehearse/inmemory"
)

const orders = "orders"

var v1 = projection.Table{Projection: orders, Version: 1}

// world is a system in memory. What its methods make of it has its ports behind a gate.
type world struct {
	*inmemory.System
	plain bool // the stores have no snapshots and no order
}

// Worlds make much garbage, and little of it stays.
func init() { debug.SetGCPercent(800) }

// open lets every call through.
var open = &faultport.Faults{}

// serving is a world with five orders, all delivered and archived, one of them set aside.
func serving(t testing.TB) *world {
	t.Helper()
	w := &world{System: inmemory.New(t)}
	for _, order := range []string{"a0", "a14", "a26", "a31", "a40"} { // they are in two partitions of the log
		w.Place(order)
		if order != "a14" && order != "a31" {
			w.Pay(order)
		}
	}
	w.Place("a31") // which cannot be applied
	w.Must(w.project(t.Context(), open))
	w.Must(w.follower(open).CatchUp(t.Context()))
	return w
}

func request() rebuild.Request { return rebuild.Request{Projection: orders, AllowParked: 10} }

// spoil writes a wrong row into a table, and its share of totals.
func (w *world) spoil(t projection.Table, id string) {
	w.TB.Helper()
	w.Edit(t, order.Stream(id), func(c *projection.Change) {
		inmemory.Replace("780", "790")(c)
		c.Totals = []model.Contribution{{Key: "2026-01-24", Field: "revenue.UNKNOWN", Amount: 10}}
	})
}

// Running is rebuild.Runs.
func (*world) Running(context.Context, string) (bool, error) { return false, nil }

func noPause(ctx context.Context, _ time.Duration) error { return ctx.Err() }

func (w *world) streams(g faultport.Gate) eventstore.Store {
	streams := faultport.Events{Store: w.Events, Gate: g}
	if w.plain {
		return streams
	}
	return faultport.Ordered{Events: streams, Ranger: w.Events}
}

func (w *world) rows(g faultport.Gate) rebuild.Tables {
	bulk := faultport.Bulk{Tables: faultport.Tables{Store: w.Tables, Gate: g}, Sink: faultport.Sink{Sink: w.Tables, Gate: g}}
	if w.plain {
		return bulk
	}
	return faultport.Snapshots{Bulk: bulk, Snapshotter: w.Tables}
}

func (w *world) pointers(g faultport.Gate) projection.Pointers {
	return faultport.Pointers{Pointers: w.Control, Gate: g}
}

func (w *world) objects(g faultport.Gate) eventlog.Blobs {
	return faultport.Blobs{Blobs: w.Blobs, Gate: g}
}

func (w *world) reader(g faultport.Gate) *eventlog.Reader {
	return &eventlog.Reader{Ledger: faultport.Ledger{Ledger: w.Ledger, Gate: g}, Blobs: w.objects(g)}
}

func (w *world) projector(g faultport.Gate) *projection.Projector {
	return &projection.Projector{
		Projections: canteen.Projections(), Tables: w.rows(g), Streams: w.streams(g), Now: w.Now,
		Pointers: &projection.CachedPointers{Source: w.pointers(g), Now: w.Now},
		Retries:  retry.Policy{Tries: 10},
	}
}

func (w *world) archiver(g faultport.Gate) *eventlog.Archiver {
	return &eventlog.Archiver{Ledger: faultport.Ledger{Ledger: w.Ledger, Gate: g}, Blobs: w.objects(g), Now: w.Now, NewID: w.NewID, Retries: retry.Policy{Tries: 3}}
}

func (w *world) follower(g faultport.Gate) *eventlog.Follower {
	return &eventlog.Follower{Store: faultport.Numbered{Store: w.Events, Gate: g}, Position: faultport.Position{Position: w, Gate: g}, Archiver: w.archiver(g), Events: 4}
}

func (w *world) rebuilder(g faultport.Gate) *rebuild.Engine {
	return &rebuild.Engine{
		Projections: canteen.Projections(), Pointers: w.pointers(g), Tables: w.rows(g), Streams: w.streams(g), Blobs: w.objects(g), Log: w.reader(g),
		Projector: w.projector(g), Runs: faultport.Runs{Runs: w, Gate: g}, Now: w.Now, Sleep: noPause, Archive: w.follower(g).CatchUp,
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
		Verifier:    verify.Verifier{Tables: w.rows(g), Streams: w.streams(g), Log: w.reader(g), Projector: w.projector(g), Now: w.Now},
		Projections: canteen.Projections(), Pointers: w.pointers(g), Numbers: &eventlog.Numberer{Log: w.reader(g), Streams: w.streams(g)},
	}
}

func (w *world) log(g faultport.Gate) *logcheck.Log {
	return &logcheck.Log{
		Ledger: faultport.Ledger{Ledger: w.Ledger, Gate: g}, Blobs: w.objects(g), Store: w.streams(g), Now: w.Now, NewID: w.NewID, Pause: noPause, Retries: retry.Policy{Tries: 20}, Workers: 1, Held: 7,
	}
}

func (w *world) service(g faultport.Gate) query.Queries {
	return (&query.Reader{
		Pointers: &projection.CachedPointers{Source: w.pointers(g), Now: w.Now}, Browser: faultport.Tables{Store: w.Tables, Gate: g},
		Streams: w.streams(g), Projections: canteen.Projections(), Now: w.Now,
	}).Of(readmodel.OrdersView())
}

func (w *world) handler(g faultport.Gate) *command.Handler {
	return &command.Handler{Streams: w.streams(g), Now: w.Now, NewID: w.NewID}
}

// live is the projector with its checkpoint.
func (w *world) live(g faultport.Gate) *projection.Follower {
	return &projection.Follower{
		Name: "projector", Feed: faultport.Feed{Feed: w.Events, Gate: g}, Checkpoints: faultport.Checkpoints{Checkpoints: w.Control, Gate: g},
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
	w.Must(w.Events.EachID(context.Background(), func(_, stream string, version uint64) error {
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
	pointer := w.Pointer(orders)
	var versions []string
	for _, v := range pointer.Versions {
		versions = append(versions, string(v.State)+"\n"+w.table(pointer.Table(v)))
	}
	slices.Sort(versions)
	return strings.Join(versions, "") + w.unlisted(pointer)
}

// unlisted names tables that no version refers to.
func (w *world) unlisted(p projection.Pointer) (all string) {
	for n := range p.Next + 2 {
		t := projection.Table{Projection: orders, Version: n}
		_, err := w.Tables.Totals(context.Background(), t)
		if err == nil && !slices.ContainsFunc(p.Versions, func(v projection.Version) bool { return v.Number == n }) {
			all += "a table that no version refers to\n"
		}
	}
	return all
}

func (w *world) table(t projection.Table) string {
	totals, err := w.Tables.Totals(context.Background(), t)
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	rows := w.Rows(t)
	for _, stream := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(&b, "  %s %s\n", stream, rows[stream])
	}
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
