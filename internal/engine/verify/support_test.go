package verify_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/store/memory"
)

var (
	orders = readmodel.Orders()
	table  = projection.Table{Projection: orders.Name, Version: 1}
)

// start is when everything here happens.
var start = event.InstantOfMilli(1_769_212_800_000)

// world is a store of events with its read model.
type world struct {
	t         *testing.T
	events    *memory.Events
	tables    *memory.Tables
	control   *memory.Control
	projector *projection.Projector
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, events: memory.NewEvents(), tables: memory.NewTables(), control: memory.NewControl()}
	if err := projection.Ensure(t.Context(), w.control, w.tables, orders); err != nil {
		t.Fatal(err)
	}
	w.projector = w.newProjector()
	return w
}

func (w *world) newProjector() *projection.Projector {
	return &projection.Projector{
		Projections: []model.Projection{orders},
		Pointers:    &projection.CachedPointers{Source: w.control, TTL: time.Hour, Now: time.Now},
		Tables:      w.tables, Streams: w.events, Now: time.Now,
	}
}

// verifier is of a store without snapshots, unless snapshots are asked for.
func (w *world) verifier(snapshots bool) *verify.Verifier {
	v := &verify.Verifier{Tables: onlyStore{w.tables}, Streams: w.events, Projector: w.projector, LagBound: time.Millisecond, Workers: 2, Now: time.Now}
	if snapshots {
		v.Tables = w.tables
	}
	return v
}

// onlyStore hides what a store has besides.
type onlyStore struct{ projection.Store }

// newEvent is an event with an id and a correlation id of its own.
func newEvent(t testing.TB, stream string, version int, at event.Instant, p event.Payload) event.Event {
	t.Helper()
	e, err := event.New(p)
	if err != nil {
		t.Fatal(err)
	}
	e.ID, e.CorrelationID, e.OccurredAt = fmt.Sprintf("%s@%d", stream, version), "c-"+stream, at
	return e
}

// append adds the next events of an order.
func (w *world) append(id string, payloads ...event.Payload) []event.Event {
	w.t.Helper()
	stream := event.OrderStream(id)
	history, err := w.events.Load(w.t.Context(), stream, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	var events []event.Event
	for i, p := range payloads {
		events = append(events, newEvent(w.t, stream, len(history)+i+1, start+event.Instant(i*1000), p))
	}
	if err := w.events.Append(w.t.Context(), stream, uint64(len(history)), events); err != nil {
		w.t.Fatal(err)
	}
	return events
}

// project brings the read model up to these events.
func (w *world) project(events []event.Event) {
	w.t.Helper()
	if err := w.projector.Apply(w.t.Context(), events).Err(); err != nil {
		w.t.Fatal(err)
	}
}

// order is a paid order, projected.
func (w *world) order(id string) {
	w.project(w.append(id, event.OrderPlaced{OrderID: id, Total: 780},
		event.OrderPaid{OrderID: id, PaidAt: start, Method: event.MethodCash}))
}

// poison is an order that is set aside at its second event.
func (w *world) poison(id string) {
	w.project(w.append(id, event.OrderPlaced{OrderID: id, Total: 100}, event.OrderPlaced{OrderID: id, Total: 200}))
}

// edit changes a stored row behind the engine's back, by the store's own means.
func (w *world) edit(stream string, change func(*projection.Change)) {
	w.t.Helper()
	rows, err := w.tables.Records(w.t.Context(), table, []string{stream})
	if err != nil {
		w.t.Fatal(err)
	}
	c := projection.Change{Record: rows[stream], Expected: rows[stream].Writes}
	c.Stream = stream
	change(&c)
	late, err := w.tables.Write(w.t.Context(), table, []projection.Change{c})
	if err != nil || len(late) > 0 {
		w.t.Fatalf("editing %s: late %v, %v", stream, late, err)
	}
}

// erase takes a row away: what is left says nothing.
func erase(c *projection.Change) { c.Record = projection.Record{Stream: c.Stream} }

func (w *world) verify(v *verify.Verifier, o verify.Options) verify.Report {
	w.t.Helper()
	report, err := v.Table(w.t.Context(), orders, table, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}

// randomLife is the next event of an order: mostly what happens to orders, sometimes what
// moves totals back and forth, sometimes what cannot be applied.
func randomLife(t testing.TB, random *rand.Rand, id string, at int) event.Event {
	life := []event.Payload{
		event.OrderPlaced{OrderID: id, Total: 100 + random.Int64N(900)},
		event.OrderPaid{OrderID: id, PaidAt: start + event.Instant(random.Int64N(300_000_000)), Method: event.MethodCash},
		event.OrderPreparationStarted{OrderID: id}, event.OrderReady{OrderID: id}, event.OrderPickedUp{OrderID: id},
	}
	p := life[min(at, len(life)-1)]
	switch {
	case at > 0 && random.IntN(4) == 0:
		p = life[1] // paid again, on another day: the day before loses it
	case at > 0 && random.IntN(30) == 0:
		p = life[0] // placed again: nothing can apply that
	case at > 0 && random.IntN(10) == 0:
		p = event.OrderCancelled{OrderID: id}
	}
	return newEvent(t, event.OrderStream(id), at+1, start+event.Instant(random.Int64N(300_000_000)), p)
}
