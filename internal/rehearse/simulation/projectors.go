package simulation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault/retry"
)

// The time limits of the simulated system. They are close to each other, so that they interact.
const (
	pointerTTL       = 5 * time.Second
	projectorTimeout = 8 * time.Second
	readTimeout      = 5 * time.Second
)

// projector is an instance of the projector's function: it keeps its pointers from one
// invocation to the next.
type projector struct {
	process *process
	engine  *projection.Projector
}

func (p *projector) of() *process { return p.process }

func (w *world) startProjector() *projector {
	p := w.s.start(fmt.Sprintf("projector-%d", w.s.started+1))
	p.speed = w.someSpeed()
	return &projector{process: p, engine: w.engineFor(p)}
}

// engineFor is the engine of a process, with its own memory of the pointers.
func (w *world) engineFor(p *process) *projection.Projector {
	var (
		rows   projection.Tables = w.tablesOf(p)
		loader eventstore.Loader = w.eventsOf(p)
	)
	if w.mutation.Projector != nil {
		rows, loader = w.mutation.Projector(rows, loader)
	}
	var source projection.Pointers = w.pointersOf(p)
	if w.mutation.Pointers != nil {
		source = w.mutation.Pointers(source)
	}
	return &projection.Projector{
		Projections: w.code(),
		Pointers:    &projection.CachedPointers{Source: source, TTL: pointerTTL, Now: time.Now},
		Tables:      rows,
		Streams:     loader,
		Now:         time.Now,
		Retries:     withoutChance(projection.HealRetries),
	}
}

// withoutChance makes pauses depend on the seed only.
func withoutChance(p retry.Policy) retry.Policy {
	p.Jitter = 0
	return p
}

// project invokes an instance of the projector with a batch.
func (w *world) project(r *reader) {
	from, to := w.take(r)
	if from == to {
		return
	}
	instance := idle(w, &w.projectors, w.startProjector)
	batch := slices.Clone(r.shard.records[from:to])
	if w.s.random.Float64() < w.disorder/4 {
		w.s.random.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
	}
	w.s.history.note(instance.process.name, "begins with %s %d to %d", r.shard.name, from, to-1)
	w.s.counts["projector invocation"]++
	r.running++
	instance.process.busy = true
	var failed projection.Failures
	instance.process.run(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, projectorTimeout)
		defer cancel()
		failed = instance.engine.Apply(ctx, batch)
		return nil
	}, func(err error) {
		instance.process.busy = false
		if r.running--; err != nil {
			return
		}
		w.s.history.note(instance.process.name, "has done %s %d to %d, but for %d streams", r.shard.name, from, to-1, len(failed))
		w.acknowledge(r, from, to, batch, failed)
	})
}

// acknowledge moves the reader to the first record that failed, and remembers which events were reported to
// be in the read model.
func (w *world) acknowledge(r *reader, from, to int, batch []event.Event, failed projection.Failures) {
	for _, e := range batch {
		if s := w.truth.streams[e.Stream]; failed[e.Stream] == nil {
			s.promised = max(s.promised, e.Version)
		}
	}
	for i := from; i < to; i++ {
		if failed[r.shard.records[i].Stream] != nil {
			to = i
		}
	}
	if from <= r.at {
		r.at = max(r.at, to)
	}
}
