package simulation

import (
	"context"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/streamstate"
	"gakushoku/internal/rehearse/faultport"
)

// Loader loads streams, for mistakes with their snapshots.
type Loader = eventstore.Loader

// statesOf are the snapshots of streams as a process sees them. Some processes run an older program.
func (w *shop) statesOf(p *process) streamstate.Store {
	var states streamstate.Store = counting{w.control, w}
	if p.chance.IntN(4) == 0 {
		states = outdated{states}
	}
	states = faultport.States{Store: states, Gate: p}
	if w.mutation.States != nil {
		states = w.mutation.States(states, w.events)
	}
	return states
}

// counting counts snapshots.
type counting struct {
	streamstate.Store
	w *shop
}

func (c counting) Snapshot(ctx context.Context, stream string) (streamstate.Snapshot, error) {
	s, err := c.Store.Snapshot(ctx, stream)
	if err == nil && s.Version > 0 {
		c.w.s.count("snapshot read")
	}
	return s, err
}

func (c counting) SetSnapshot(ctx context.Context, s streamstate.Snapshot) error {
	c.w.s.count("snapshot written")
	return c.Store.SetSnapshot(ctx, s)
}

// outdated writes as a program of an earlier revision, whose state has less in it: the data of the snapshot
// before. It reads nothing.
type outdated struct{ streamstate.Store }

func (outdated) Snapshot(context.Context, string) (streamstate.Snapshot, error) {
	return streamstate.Snapshot{}, nil
}

func (o outdated) SetSnapshot(ctx context.Context, s streamstate.Snapshot) error {
	before, err := o.Store.Snapshot(ctx, s.Stream)
	if err != nil || before.Version == 0 {
		return err
	}
	s.Data, s.Revision = before.Data, 0
	return o.Store.SetSnapshot(ctx, s)
}
