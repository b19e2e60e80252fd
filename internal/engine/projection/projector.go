package projection

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/retry"
	"gakushoku/internal/model"
)

// Projector applies events to the table versions that must be written. Several may run at once, on the same
// events.
type Projector struct {
	Projections model.Projections // every revision that a table version may have
	Pointers    *CachedPointers
	Tables      Tables
	Streams     eventstore.Loader
	Now         func() time.Time
	Retries     retry.Policy // of a heal; the zero value is HealRetries
	// Due is called when a row was written whose task is due already, with the name of its process. It may be nil.
	Due func(ctx context.Context, process string)
}

// Failures are the streams that could not be brought up to date, each with the infrastructure error that
// prevented it. The events of all other streams are applied.
type Failures map[string]error

// Err returns all failures as one error, nil if there are none.
func (f Failures) Err() error {
	errs := make([]error, 0, len(f))
	for stream, err := range f {
		errs = append(errs, fmt.Errorf("%s: %w", stream, err))
	}
	return errors.Join(errs...)
}

// Apply brings the rows of these events' streams up to date in every table version of every projection. The
// events may be old, repeated, out of order or incomplete. Only streams affected by an infrastructure error
// fail; an event that cannot be applied parks its stream.
func (p *Projector) Apply(ctx context.Context, events []event.Event) Failures {
	ctx, applied := watchApply(ctx, events)
	failures := Failures{}
	for _, name := range p.Projections.Names() {
		if err := p.applyLive(ctx, name, events, failures); err != nil {
			for i := range events {
				failures[events[i].Stream] = err
			}
		}
	}
	applied(failures)
	return failures
}

// ApplyTo is Apply for one table version only, whatever its state; a building version catches up through it.
// It returns ErrNoTable if the table is gone.
func (p *Projector) ApplyTo(ctx context.Context, d model.Projection, t Table, events []event.Event) error {
	failures := Failures{}
	if err := p.applyTable(ctx, d, t, events, failures); err != nil {
		return err
	}
	return failures.Err()
}

// applyLive applies events to each version of a projection that live delivery writes.
func (p *Projector) applyLive(ctx context.Context, name string, events []event.Event, failures Failures) error {
	pointer, err := p.Pointers.Pointer(ctx, name)
	if err != nil {
		return fmt.Errorf("reading the pointer of %s: %w", name, err)
	}
	for _, v := range pointer.Versions {
		if !v.Live() {
			continue
		}
		d, ok := p.Projections.Revision(name, v.Revision)
		if !ok {
			// A newer deployment is building a version whose revision this one lacks. It waits for this one
			// to end before it relies on that version being written.
			logUnknownRevision(ctx, name, v.Revision)
			continue
		}
		watched, applied := p.watchTable(ctx, d, pointer.Table(v), events, failures)
		err := p.applyTable(watched, d, pointer.Table(v), events, failures)
		applied(err)
		if errors.Is(err, ErrNoTable) {
			// The version was dropped after the pointer was read, so it need not be written.
			p.Pointers.Forget(name)
			err = p.stillListed(ctx, name, v.Number)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// stillListed returns an error if the pointer names a version whose table is gone.
func (p *Projector) stillListed(ctx context.Context, name string, number int) error {
	pointer, err := p.Pointers.Pointer(ctx, name)
	if err != nil {
		return fmt.Errorf("reading the pointer of %s: %w", name, err)
	}
	for _, v := range pointer.Versions {
		if v.Number == number {
			return fault.Unavailable(fmt.Errorf("%s is listed but its table is missing: rebuild the projection", pointer.Table(v)))
		}
	}
	return nil
}

// applyTable applies events to one table version. It returns only ErrNoTable; any other error fails the
// streams concerned.
func (p *Projector) applyTable(ctx context.Context, d model.Projection, t Table, events []event.Event, failures Failures) error {
	for part := range slices.Chunk(groupByStream(d, events), MaxWrite) {
		late, err := p.write(ctx, d, t, part)
		if err == nil {
			err = p.Heal(ctx, d, t, late)
		}
		if errors.Is(err, ErrNoTable) {
			return err
		}
		if err != nil {
			for _, g := range part {
				failures[g.stream] = fmt.Errorf("projecting into %s: %w", t, err)
			}
		}
	}
	return nil
}

// group is one stream's events that the projection folds, in the order they came.
type group struct {
	stream string
	events []*event.Event
}

func groupByStream(d model.Projection, events []event.Event) []group {
	var groups []group
	index := make(map[string]int, len(events))
	for i := range events {
		e := &events[i]
		if !d.Folds(e.Stream) {
			continue
		}
		at, ok := index[e.Stream]
		if !ok {
			at = len(groups)
			index[e.Stream] = at
			groups = append(groups, group{stream: e.Stream})
		}
		groups[at].events = append(groups[at].events, e)
	}
	return groups
}

// write applies the events of up to MaxWrite streams in one write. It returns the streams for which that is not
// enough: they lack an event, or another writer was faster.
func (p *Projector) write(ctx context.Context, d model.Projection, t Table, groups []group) (late []string, err error) {
	streams := make([]string, len(groups))
	for i, g := range groups {
		streams[i] = g.stream
	}
	records, err := p.Tables.Records(ctx, t, streams)
	if err != nil {
		return nil, err
	}
	var changes []Change
	for _, g := range groups {
		f, ok := p.fold(ctx, d, t, g, records[g.stream])
		if !ok {
			late = append(late, g.stream)
		} else if change, changed := f.Change(); changed {
			changes = append(changes, change)
		}
	}
	if len(changes) == 0 {
		return late, nil
	}
	lost, err := p.put(ctx, d, t, changes)
	return append(late, lost...), err
}

// put writes changes, and says so if that makes a task due.
func (p *Projector) put(ctx context.Context, d model.Projection, t Table, changes []Change) (late []string, err error) {
	late, err = p.Tables.Write(ctx, t, changes)
	now := event.InstantOf(p.Now())
	due := func(c Change) bool {
		return c.Record.Task != nil && c.Record.Task.Due <= now && !slices.Contains(late, c.Record.Stream)
	}
	if err == nil && p.Due != nil && slices.ContainsFunc(changes, due) {
		p.Due(ctx, d.Name)
	}
	return late, err
}

// fold applies a stream's events to its stored row. It returns false if only the whole stream helps, which
// includes rows that cannot be read.
func (p *Projector) fold(ctx context.Context, d model.Projection, t Table, g group, stored Record) (*Folding, bool) {
	stored.Stream = g.stream
	f, err := StartFolding(d, stored)
	if err != nil {
		return nil, false
	}
	for _, e := range g.events {
		step := f.Apply(e, event.InstantOf(p.Now()))
		if f.Spoiled {
			return nil, false
		}
		if logStep(ctx, t, e, step, f.Parked); step == Gap {
			return nil, false
		}
	}
	return f, true
}
