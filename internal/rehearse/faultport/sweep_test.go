package faultport_test

import (
	"context"
	"testing"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
	"gakushoku/internal/rehearse/faultport"
)

// operation is something that the system does, over a world that is made for it.
type operation struct {
	name  string
	world func(w *world) // makes a serving world ready
	run   func(w *world, ctx context.Context, g faultport.Gate) (result any, err error)
	again func(w *world, ctx context.Context, g faultport.Gate) (result any, err error) // nil: run
	state func(w *world) string                                                         // besides the result
	scans bool                                                                          // it reads a store that has snapshots and order in another way
}

func (o *operation) sweep(t *testing.T, plain bool) {
	faultport.Sweep(t, func(t *testing.T) faultport.Trial {
		w := serving(t)
		w.plain = plain
		if o.world != nil {
			o.world(w)
		}
		result := ""
		call := func(f func(*world, context.Context, faultport.Gate) (any, error)) func(context.Context, faultport.Gate) error {
			return func(ctx context.Context, g faultport.Gate) error {
				got, err := f(w, ctx, g)
				result = text(got)
				return err
			}
		}
		trial := faultport.Trial{Run: call(o.run), State: func() string {
			if o.state == nil {
				return result
			}
			return result + "\n" + o.state(w)
		}}
		if o.again != nil {
			trial.Again = call(o.again)
		}
		return trial
	})
}

func sweepAll(t *testing.T, operations []operation) {
	t.Helper()
	for _, o := range operations {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			o.sweep(t, false)
		})
		if o.scans {
			t.Run(o.name+" in stores without order", func(t *testing.T) {
				t.Parallel()
				o.sweep(t, true)
			})
		}
	}
}

func behind(w *world) {
	w.Place("b6")
	w.Pay("b6")
	w.Pay("a14")
	w.Place("b9")
}

func TestCommandsReportAPortThatFails(t *testing.T) {
	t.Parallel()
	sweepAll(t, []operation{
		{name: "place an order", state: (*world).stored, run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			r, err := command.Execute(ctx, w.handler(g), order.Rules, command.Request[order.Command]{Command: order.PlaceOrder{OrderID: "n1", Total: new(int64(780))}, Key: "key"})
			return r.State.Status, err
		}},
		{name: "pay an order", state: (*world).stored, run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			r, err := command.Execute(ctx, w.handler(g), order.Rules, command.Request[order.Command]{ID: "a14", Command: order.PayOrder{Method: order.MethodCash}, Key: "key"})
			return r.State.Status, err
		}},
		{name: "cancel an order", state: (*world).stored, run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			r, err := command.Execute(ctx, w.handler(g), order.Rules, command.Request[order.Command]{ID: "a0", Command: order.CancelOrder{Reason: "x"}, Key: "key"})
			return r.State.Status, err
		}},
	})
}

func TestDeliveryReportsAPortThatFails(t *testing.T) {
	t.Parallel()
	newest := func(w *world) []event.Event {
		events, _, err := w.Events.Read(context.Background(), "9", 100)
		w.Must(err)
		return events
	}
	late := func(w *world) []event.Event { return newest(w)[1:] }
	sweepAll(t, []operation{
		{name: "a batch of the projector", world: behind, state: (*world).shown, run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			return nil, w.projector(g).Apply(ctx, newest(w)).Err()
		}},
		{name: "a batch with a gap", world: behind, state: (*world).shown, run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			return nil, w.projector(g).Apply(ctx, late(w)).Err()
		}},
		{name: "a batch for two versions", world: func(w *world) { w.rebuild("first"); behind(w) }, state: (*world).shown, run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			return nil, w.projector(g).Apply(ctx, late(w)).Err()
		}},
		{name: "a batch for one version only", world: behind, state: (*world).shown, run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			return nil, w.projector(g).ApplyTo(ctx, readmodel.Orders(), v1, late(w))
		}},
		{name: "follow the feed", world: behind, state: (*world).shown, run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			return nil, w.project(ctx, g)
		}},
		{name: "heal rows", world: func(w *world) { behind(w); w.spoil(v1, "a26") }, state: (*world).shown, run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			return nil, w.projector(g).Heal(ctx, readmodel.Orders(), v1, []string{"order-a14", "order-a26", "order-a31", "order-b6", "order-b9"})
		}},
		{name: "archive a store", world: behind, state: (*world).logged, run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			return nil, w.follower(g).CatchUp(ctx)
		}},
		{name: "archive a batch", world: behind, state: (*world).logged, run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			var batch []eventlog.Record
			for _, e := range newest(w) {
				batch = append(batch, eventlog.Record{Source: e.ID, Event: e})
			}
			done, err := w.archiver(g).Commit(ctx, batch)
			return done.Records, err
		}},
	})
}
