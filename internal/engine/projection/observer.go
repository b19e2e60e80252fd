package projection

import (
	"context"

	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
)

// watchApply starts the span of a call of Projector.Apply; applied ends it.
func watchApply(ctx context.Context, events []event.Event) (watched context.Context, applied func(Failures)) {
	ctx, span := observe.StartLinked(ctx, "process events", observe.Consumer, event.Traceparents(events))
	return ctx, func(f Failures) {
		span.Failed(f.Err())
		span.Int(observe.AttrEvents, len(events)).End()
	}
}

// watchTable starts the span for one table version's events; applied ends it and records how late the events
// arrived.
func (p *Projector) watchTable(ctx context.Context, d model.Projection, t Table, events []event.Event, failures Failures) (watched context.Context, applied func(error)) {
	ctx, span := observe.Start(ctx, "project", observe.Internal)
	if span.Recorded() {
		span.Str(observe.AttrProjection, t.String())
	}
	return ctx, func(err error) {
		defer span.End()
		m := observe.MetricsOf(ctx)
		if m == nil || err != nil {
			return
		}
		now := p.Now()
		for i := range events {
			if failures[events[i].Stream] == nil && d.Folds(events[i].Stream) {
				m.Projected(ctx, d.Name, now.Sub(events[i].OccurredAt.Time()))
			}
		}
	}
}

func logUnknownRevision(ctx context.Context, name string, revision int) {
	observe.Logger(ctx).Warn().Str(observe.FieldProjection, name).Int("revision", revision).Msg("projection:unknown-revision")
}

// logStep logs the outcome of an event, in the context of the operation that the event belongs to.
func logStep(ctx context.Context, t Table, e *event.Event, step Step, parked *Parked) {
	logger := observe.Logger(ctx)
	line := logger.Debug()
	message, outcome := "projection:apply", "applied"
	switch step {
	case Duplicate:
		message, outcome = "projection:duplicate", "duplicate"
	case Gap:
		line, message, outcome = logger.Info(), "projection:gap", "gap"
	case SetAside:
		if parked != nil && parked.EventVersion == e.Version {
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

func countHealed(ctx context.Context, d model.Projection, streams []string) {
	observe.MetricsOf(ctx).Healed(ctx, d.Name, len(streams))
}

// logHealed logs that a row was folded again. Creating a row is no repair; a rebuild does so for each stream.
func logHealed(ctx context.Context, t Table, stored *Record, change *Change) {
	line := observe.Logger(ctx).Info()
	if stored.Writes == 0 {
		line = observe.Logger(ctx).Debug()
	}
	line.Str(observe.FieldProjection, t.String()).Str(observe.FieldStream, stored.Stream).
		Uint64("from", stored.Version).Uint64("to", change.Version).Msg("projection:heal")
}

// logAhead logs that a row reflects events that its stream has lost.
func logAhead(ctx context.Context, t Table, row *Record, history []event.Event) {
	observe.Logger(ctx).Error().Str(observe.FieldErrorClass, string(fault.Infra)).Str(observe.FieldProjection, t.String()).Str(observe.FieldStream, row.Stream).
		Uint64(observe.FieldVersion, row.Version).Int("events", len(history)).Msg("projection:ahead")
}

// logUnreadable logs that a stream is parked because its row cannot be decoded.
func logUnreadable(ctx context.Context, t Table, stored *Record, cause error) {
	observe.Logger(ctx).Error().Str(observe.FieldErrorClass, string(fault.Bug)).Str(observe.FieldProjection, t.String()).
		Str(observe.FieldStream, stored.Stream).Err(cause).Msg("projection:parked")
}
