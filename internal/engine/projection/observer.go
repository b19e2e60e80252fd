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
