package simulation

import (
	"context"
	"fmt"
	"slices"

	"gakushoku/internal/engine/rebuild"
)

// startRun starts a run, usually a whole rebuild. The embedded system allows only one process to do so at a
// time.
func (w *world) startRun() {
	if w.embedded && w.running() {
		return
	}
	w.runs--
	r := rebuild.Request{Projection: w.domain.name(), AllowParked: 1000}
	random := w.s.random
	switch kind := random.IntN(16); {
	case kind == 0:
		r.DryRun = true
	case kind == 1 && len(w.truth.names) > 0:
		for range 1 + random.IntN(3) {
			r.Streams = append(r.Streams, w.truth.names[random.IntN(len(w.truth.names))])
		}
	case kind == 2:
		r.FromEventNumber = 1 + random.Uint64N(uint64(len(w.truth.all)+1))
	case kind == 3:
		r.UntilNumber = 1 + random.Uint64N(uint64(len(w.truth.all)+1))
	default:
		if random.IntN(6) == 0 {
			r.AllowParked = 0
		}
		r.Approve = random.IntN(4) == 0
		if random.IntN(2) == 0 {
			soak := rebuild.Seconds(random.Int64N(int64(4*pointerTTL)) * random.Int64N(2))
			r.Soak = &soak
		}
	}
	w.execute(r)
}

// stopRun is the operator's stop of an execution, in any state. Functions that it called go on.
func (w *world) stopRun() {
	going := w.goingOn()
	x := going[w.s.random.IntN(len(going))]
	x.stopped = true
	w.s.count("stopped")
	w.s.history.add("operator", "stops "+x.id, goOn)
	x.process.crash()
}

// switched reports whether there may be a version to roll back to or to clean up.
func (w *world) switched() bool { return w.switches > 0 }

// rollBack is the operator's `rollback`.
func (w *world) rollBack() {
	w.meddle("rolls back", func(ctx context.Context, e *rebuild.Engine) error {
		_, err := e.Rollback(ctx, w.domain.name())
		return err
	})
}

// cleanUp is the operator's `cleanup`.
func (w *world) cleanUp() {
	w.tidy = false
	w.meddle("cleans up", func(ctx context.Context, e *rebuild.Engine) error {
		_, err := e.CleanupAll(ctx, w.domain.name())
		return err
	})
}

// abandonAll is how the operator removes what stopped runs left. Functions that they called may still run.
func (w *world) abandonAll() {
	w.meddle("abandons", func(ctx context.Context, e *rebuild.Engine) error {
		pointer, err := e.Pointers.Pointer(ctx, w.domain.name())
		if err != nil {
			return err
		}
		runs, err := e.RunsOf(ctx, pointer)
		if err == nil {
			_, err = e.AbandonAll(ctx, runs, "the operator said so")
		}
		return err
	})
}

// meddle runs a command that changes the pointer, which may make a running rebuild fail.
func (w *world) meddle(what string, f func(context.Context, *rebuild.Engine) error) {
	p := w.operator(what)
	for _, x := range w.goingOn() {
		x.meddled = true
	}
	w.meddling = append(w.meddling, p)
	w.await(p, what, func(ctx context.Context) error { return f(ctx, w.rebuilder(p)) }, func() {})
}

// operator starts a process of the operator's tool.
func (w *world) operator(what string) *process {
	p := w.s.start(fmt.Sprintf("operator-%d", w.s.started+1))
	p.speed = [...]float64{1, 0.1, 0.01}[w.s.random.IntN(3)] // people take their time
	w.s.history.note(p.name, "%s", what)
	return p
}

// await runs an operator's command, and then on success.
func (w *world) await(p *process, what string, f func(context.Context) error, then func()) {
	w.operating++
	p.run(f, func(err error) {
		w.operating--
		w.meddling = slices.DeleteFunc(w.meddling, func(o *process) bool { return o == p })
		w.s.history.note(p.name, "%s: %v", what, err)
		if err == nil {
			w.s.counts[what]++
			then()
		}
		w.s.forget(p)
	})
}
