package faultport_test

import (
	"context"
	"testing"

	"gakushoku/internal/canteen"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
	"gakushoku/internal/operate/health"
	"gakushoku/internal/operate/timeline"
	"gakushoku/internal/rehearse/faultport"
)

// noLines are logs that tell nothing, so that events have to be looked for in the whole log.
type noLines struct{}

func (noLines) OfOperation(context.Context, string, func([]byte) error) error { return nil }
func (noLines) OfStream(context.Context, string, func([]byte) error) error    { return nil }

func (w *world) finder(g faultport.Gate) *timeline.Finder {
	log := w.reader(g)
	return &timeline.Finder{
		Lines: noLines{}, Streams: w.streams(g), Numbers: &eventlog.Numberer{Log: log, Streams: w.streams(g)}, Limit: 100,
		Models: timeline.ReadModels{Projections: canteen.Projections(), Pointers: w.pointers(g), Tables: w.rows(g)},
		EachEvent: func(ctx context.Context, f func(*event.Event) error) error {
			head, err := log.Head(ctx)
			if err != nil {
				return err
			}
			return log.Events(ctx, 0, head.Number, func(_ uint64, e *event.Event) error { return f(e) })
		},
	}
}

func TestWhatIsToldOfAnOperationAndOfRunsReportsAPortThatFails(t *testing.T) {
	t.Parallel()
	twice := func(w *world) { w.rebuild("first") }
	sweepAll(t, []operation{
		{name: "trace an operation", run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			return w.finder(g).Operation(ctx, "c-order-a26")
		}},
		{name: "trace an order", run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			return w.finder(g).Stream(ctx, "order-a26")
		}},
		{name: "runs under way", world: func(w *world) {
			_, err := w.rebuilder(open).Prepare(w.TB.Context(), "left", request())
			w.Must(err)
		}, run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			e := w.rebuilder(g)
			pointer, err := e.Pointers.Pointer(ctx, orders)
			if err != nil {
				return nil, err
			}
			runs, err := e.RunsOf(ctx, pointer)
			return len(runs), err
		}},
		{name: "runs there were", world: twice, run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			past, err := w.rebuilder(g).History(ctx, orders, 10)
			return len(past), err
		}},
		{name: "parts of a run", world: twice, run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			return w.rebuilder(g).PartsOf(ctx, orders, "first", "Replay")
		}},
		{name: "count what is set aside", run: func(w *world, ctx context.Context, g faultport.Gate) (any, error) {
			return health.CountParked(ctx, w.pointers(g), w.rows(g), orders)
		}},
	})
}
