package projection

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
)

// Projector applies events to the table versions that have to be written. Several may run
// at once, on the same events.
type Projector struct {
	Projections model.Projections // every revision that a table version may have
	Pointers    *CachedPointers
	Tables      Tables
	Streams     eventstore.Loader
	Now         func() time.Time
	Pause       func(ctx context.Context, attempt int) error // between tries of a heal; nil: with jitter
}

// Failures are the streams that could not be brought up to date, each with the infra error
// that kept it; the events of all others are in.
type Failures map[string]error

// Err is all failures as one error, nil when there are none.
func (f Failures) Err() error {
	errs := make([]error, 0, len(f))
	for stream, err := range f {
		errs = append(errs, fmt.Errorf("%s: %w", stream, err))
	}
	return errors.Join(errs...)
}

// Apply brings the rows of these events' streams up to date in every table version of every
// projection. The events may be old, repeated, out of order or incomplete. Only streams
// kept back by the infrastructure fail; an event that cannot be applied parks its stream.
func (p *Projector) Apply(ctx context.Context, events []event.Event) Failures {
	ctx, span := observe.StartLinked(ctx, "process events", observe.Consumer, event.Traceparents(events))
	defer span.Int(observe.AttrEvents, len(events)).End()
	failures := Failures{}
	for _, name := range p.Projections.Names() {
		if err := p.applyProjection(ctx, name, events, failures); err != nil {
			for i := range events {
				failures[events[i].Stream] = err
			}
		}
	}
	span.Failed(failures.Err())
	return failures
}

// ApplyTo is Apply for one table version only, whatever its state: how a version that is being
// built catches up. ErrNoTable when it is gone.
func (p *Projector) ApplyTo(ctx context.Context, d model.Projection, t Table, events []event.Event) error {
	failures := Failures{}
	if err := p.applyTable(ctx, d, t, events, failures); err != nil {
		return err
	}
	return failures.Err()
}

func (p *Projector) applyProjection(ctx context.Context, name string, events []event.Event, failures Failures) error {
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
			// A newer deployment builds a version whose fold this one does not have. It waits for
			// this one to end before it relies on that version being written.
			observe.Logger(ctx).Warn().Str(observe.FieldProjection, name).Int("revision", v.Revision).Msg("projection:unknown-revision")
			continue
		}
		err := p.projectTable(ctx, d, pointer.Table(v), events, failures)
		if errors.Is(err, ErrNoTable) {
			// The version was dropped after the pointer was read: nobody needs it any more.
			p.Pointers.Forget(name)
			err = p.stillListed(ctx, name, v.Number)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// stillListed is an error when the pointer names a version whose table is gone.
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

// projectTable is applyTable in a span of its own.
func (p *Projector) projectTable(ctx context.Context, d model.Projection, t Table, events []event.Event, failures Failures) error {
	ctx, span := observe.Start(ctx, "project", observe.Internal)
	defer span.End()
	if span.Recorded() {
		span.Str(observe.AttrProjection, t.String())
	}
	err := p.applyTable(ctx, d, t, events, failures)
	if m := observe.MetricsOf(ctx); m != nil && err == nil {
		now := p.Now()
		for i := range events {
			if failures[events[i].Stream] == nil && d.Folds(events[i].Stream) {
				m.Projected(ctx, d.Name, now.Sub(events[i].OccurredAt.Time()))
			}
		}
	}
	return err
}

// applyTable applies events to one table version. It returns only ErrNoTable; everything
// else fails the streams concerned.
func (p *Projector) applyTable(ctx context.Context, d model.Projection, t Table, events []event.Event, failures Failures) error {
	groups := groupByStream(d, events)
	for len(groups) > 0 {
		part := groups[:min(len(groups), MaxWrite)]
		groups = groups[len(part):]
		err := p.applyGroups(ctx, d, t, part)
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

// group is the events of one stream that the projection folds, in the order they came.
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

// applyGroups applies the events of up to MaxWrite streams in one write, and heals the
// streams for which that was not enough.
func (p *Projector) applyGroups(ctx context.Context, d model.Projection, t Table, groups []group) error {
	streams := make([]string, len(groups))
	for i, g := range groups {
		streams[i] = g.stream
	}
	records, err := p.Tables.Records(ctx, t, streams)
	if err != nil {
		return err
	}
	var changes []Change
	var heal []string
	for _, g := range groups {
		switch change, outcome := p.foldGroup(ctx, d, t, g, records[g.stream]); outcome {
		case needsHeal:
			heal = append(heal, g.stream)
		case needsWrite:
			changes = append(changes, change)
		}
	}
	if len(changes) > 0 {
		late, err := p.Tables.Write(ctx, t, changes)
		if err != nil {
			return err
		}
		heal = append(heal, late...)
	}
	return p.Heal(ctx, d, t, heal)
}

type groupOutcome int

const (
	upToDate groupOutcome = iota
	needsWrite
	needsHeal
)

func (p *Projector) foldGroup(ctx context.Context, d model.Projection, t Table, g group, stored Record) (Change, groupOutcome) {
	stored.Stream = g.stream
	f, err := StartFolding(d, stored)
	if err != nil {
		// Healing will say what is to be done about a row that cannot be read.
		return Change{}, needsHeal
	}
	for _, e := range g.events {
		step := f.Apply(e, event.InstantOf(p.Now()))
		logStep(ctx, t, e, step, f)
		if step == Gap {
			return Change{}, needsHeal
		}
	}
	change, changed := f.Change()
	if !changed {
		return Change{}, upToDate
	}
	return change, needsWrite
}

// logStep tells what came of an event, in the context of the operation that it belongs to.
func logStep(ctx context.Context, t Table, e *event.Event, step Step, f *Folding) {
	logger := observe.Logger(ctx)
	line := logger.Debug()
	message, outcome := "projection:apply", "applied"
	switch step {
	case Duplicate:
		message, outcome = "projection:duplicate", "duplicate"
	case Gap:
		line, message, outcome = logger.Info(), "projection:gap", "gap"
	case SetAside:
		if parked := f.Parked; parked != nil && parked.EventVersion == e.Version {
			line, message = logger.Error().Str(observe.FieldErrorClass, string(fault.Bug)).Str("error", parked.Reason), "projection:parked"
			outcome = "parked"
		} else {
			message, outcome = "projection:set-aside", "set-aside"
		}
	}
	observe.MetricsOf(ctx).Delivered(ctx, t.Projection, outcome)
	if !line.Enabled() {
		return
	}
	line.Str(observe.FieldCorrelationID, e.CorrelationID).Str(observe.FieldProjection, t.String()).
		Str(observe.FieldStream, e.Stream).Uint64(observe.FieldVersion, e.Version).
		Str(observe.FieldEventID, e.ID).Str(observe.FieldEventType, e.Type).Msg(message)
}
