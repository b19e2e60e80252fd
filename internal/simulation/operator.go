package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gakushoku/internal/event"
	"gakushoku/internal/projection"
	"gakushoku/internal/reproject"
)

// startRun is the operator's `rebuild`.
func (w *world) startRun() {
	w.runs--
	r := reproject.Request{Projection: projection.Orders().Name, AllowParked: 1000}
	if w.s.random.IntN(6) == 0 {
		r.AllowParked = 0
	}
	if w.s.random.IntN(2) == 0 {
		soak := reproject.Seconds(w.s.random.Int64N(int64(4*pointerTTL)) * w.s.random.Int64N(2))
		r.Soak = &soak
	}
	w.execute(r)
}

// stopRun is the operator's stop of an execution, in whatever state it is. What it had called
// goes on.
func (w *world) stopRun() {
	going := w.goingOn()
	x := going[w.s.random.IntN(len(going))]
	x.stopped = true
	w.s.count("stopped")
	w.s.history.add("operator", "stops "+x.id, goOn)
	x.process.crash()
}

// goingOn are the executions that have not ended, in the order of their starts.
func (w *world) goingOn() []*execution {
	var going []*execution
	for _, x := range w.executions {
		if !x.ended {
			going = append(going, x)
		}
	}
	return going
}

func (w *world) running() bool {
	return slices.ContainsFunc(w.executions, func(x *execution) bool { return !x.ended })
}

// switched reports whether there may be something to roll back or to clean up.
func (w *world) switched() bool { return w.switches > 0 }

// rollBack is the operator's `rollback`.
func (w *world) rollBack() {
	w.operate("rolls back", func(ctx context.Context, e *reproject.Engine) error {
		_, err := e.Rollback(ctx, projection.Orders().Name)
		return err
	})
}

// cleanUp is the operator's `cleanup`.
func (w *world) cleanUp() {
	w.operate("cleans up", func(ctx context.Context, e *reproject.Engine) error {
		_, err := e.CleanupAll(ctx, projection.Orders().Name)
		return err
	})
}

// operate runs one of the operator's commands, in a process of its own.
func (w *world) operate(what string, f func(context.Context, *reproject.Engine) error) {
	p := w.s.start(fmt.Sprintf("operator-%d", w.s.started+1))
	p.speed = [...]float64{1, 0.1, 0.01}[w.s.random.IntN(3)] // people take their time
	w.s.history.note(p.name, "%s", what)
	for _, x := range w.goingOn() {
		x.meddled = true
	}
	w.operating++
	p.run(func(ctx context.Context) error { return f(ctx, w.rebuilder(p)) }, func(err error) {
		w.operating--
		w.s.history.note(p.name, "%s: %v", what, err)
		if err == nil {
			w.s.counts[what]++
		}
		w.s.forget(p)
	})
}

// judgeRun wants a run to fail only for a reason that the world has given it.
func (w *world) judgeRun(x *execution) {
	w.s.history.note(x.id, "ends: %v", x.err)
	switch {
	case x.err == nil:
		w.s.counts["run done"]++
		return
	case x.stopped || x.meddled, !errors.Is(x.err, reproject.ErrFailed):
		return
	case x.request.AllowParked == 0 && w.poisoned():
		w.s.counts["run parked"]++
		return
	}
	w.violated("%s failed, although nothing was wrong: %v", x.id, x.err)
}

func (w *world) poisoned() bool {
	for _, s := range w.truth.streams {
		if s.poisoned {
			return true
		}
	}
	return false
}

// noteLog remembers what the log holds when the wait after Join is over: the catch-up has to
// bring that in.
func (w *world) noteLog(ctx context.Context, x *execution) {
	x.logged = map[string]uint64{}
	log := w.log()
	head, err := log.Head(ctx)
	if err == nil {
		err = log.Events(ctx, 0, head.Number, func(_ uint64, e *event.Event) error {
			x.logged[e.Clone().Stream] = max(x.logged[e.Stream], e.Version)
			return nil
		})
	}
	if err != nil && ctx.Err() == nil {
		w.violated("the log cannot be read: %v", err)
	}
}

// checkCaughtUp wants the new version to have what the log held when the wait after Join was
// over. The verification would find and heal it, but is not there to catch up.
func (w *world) checkCaughtUp(x *execution) {
	var names []string
	for stream := range x.logged {
		names = append(names, stream)
	}
	rows, err := w.tables.Records(context.Background(), x.run.Table(), names)
	if err != nil {
		return // the run was abandoned, or its version taken away
	}
	for stream, version := range x.logged {
		if !projection.Orders().Folds(stream) {
			continue
		}
		if s := w.truth.streams[stream]; rows[stream].Version < min(version, uint64(len(s.rows)-1)) {
			w.violated("%s has caught up, but %s has version %d of %s, which the log has at %d", x.id, x.run.Table(), rows[stream].Version, stream, version)
		}
	}
}
