package verify_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/event"
	"gakushoku/internal/rehearse/inmemory"
)

var (
	orders = readmodel.Orders()
	table  = projection.Table{Projection: orders.Name, Version: 1}
)

// start is when everything here happens.
var start = event.InstantOfMilli(1_769_212_800_000)

// world is a system in memory with one projector, that looks at the pointers once.
type world struct {
	*inmemory.System
	projector *projection.Projector
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{System: inmemory.New(t)}
	w.projector = w.newProjector()
	return w
}

func (w *world) newProjector() *projection.Projector {
	p := w.Projector()
	p.Pointers = &projection.CachedPointers{Source: w.Control, TTL: time.Hour, Now: time.Now}
	return p
}

// verifier is of a store without snapshots, unless snapshots are asked for. Its lag bound is longer than any
// test takes, so that it always sleeps before a second look, and its sleep returns at once.
func (w *world) verifier(snapshots bool) *verify.Verifier {
	v := &verify.Verifier{
		Tables: onlyStore{w.Tables}, Streams: w.Events, Projector: w.projector,
		LagBound: time.Hour, Workers: 2, Now: time.Now, Sleep: noPause,
	}
	if snapshots {
		v.Tables = w.Tables
	}
	return v
}

func noPause(ctx context.Context, _ time.Duration) error { return ctx.Err() }

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

// project brings the read model up to these events.
func (w *world) project(events []event.Event) {
	w.TB.Helper()
	if err := w.projector.Apply(w.TB.Context(), events).Err(); err != nil {
		w.TB.Fatal(err)
	}
}

// order is a paid order, projected.
func (w *world) order(id string) {
	w.project(w.Append(id, order.Placed{OrderID: id, Total: 780},
		order.Paid{OrderID: id, PaidAt: start, Method: order.MethodCash}))
}

// poison is an order that is set aside at its second event.
func (w *world) poison(id string) {
	w.project(w.Append(id, order.Placed{OrderID: id, Total: 100}, order.Placed{OrderID: id, Total: 200}))
}

// edit changes a stored row behind the engine's back.
func (w *world) edit(stream string, change func(*projection.Change)) {
	w.TB.Helper()
	w.Edit(table, stream, change)
}

func (w *world) verify(v *verify.Verifier, o verify.Options) verify.Report {
	w.TB.Helper()
	report, err := v.Table(w.TB.Context(), orders, table, o)
	if err != nil {
		w.TB.Fatal(err)
	}
	return report
}

// randomLife is the next event of an order: mostly what happens to orders, sometimes what
// moves totals back and forth, sometimes what cannot be applied.
func randomLife(t testing.TB, random *rand.Rand, id string, at int) event.Event {
	life := []event.Payload{
		order.Placed{OrderID: id, Total: 100 + random.Int64N(900)},
		order.Paid{OrderID: id, PaidAt: start + event.Instant(random.Int64N(300_000_000)), Method: order.MethodCash},
		order.PreparationStarted{OrderID: id}, order.Ready{OrderID: id}, order.PickedUp{OrderID: id},
	}
	p := life[min(at, len(life)-1)]
	switch {
	case at > 0 && random.IntN(4) == 0:
		p = life[1] // paid again, on another day: the day before loses it
	case at > 0 && random.IntN(30) == 0:
		p = life[0] // placed again: nothing can apply that
	case at > 0 && random.IntN(10) == 0:
		p = order.Cancelled{OrderID: id}
	}
	return newEvent(t, order.Stream(id), at+1, start+event.Instant(random.Int64N(300_000_000)), p)
}
