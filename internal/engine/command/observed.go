package command

import (
	"context"
	"errors"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
)

// observed executes a command in a span, measures it, and logs its start and end.
func observed[S any, C model.Command](ctx context.Context, h *Handler, r prepared[C], execute func(context.Context) (Result[S], error)) (Result[S], error) {
	started := h.Now()
	ctx, span := observe.Start(ctx, r.name, observe.Internal)
	defer span.End()
	logger := observe.Logger(ctx).With().Str(observe.FieldCommandName, r.name).Str(observe.FieldStream, r.stream).Logger()
	logger.Info().Msg("command:start")
	result, err := execute(ctx)
	took := h.Now().Sub(started)
	appended := len(result.Events)
	if result.Repeated {
		appended = 0
		observe.MetricsOf(ctx).Repeated(ctx, r.name)
	}
	observe.MetricsOf(ctx).Command(ctx, r.name, took, appended, err)
	noted(span, r.name, r.stream, result.Version, result.Repeated, err)
	logged(&logger, result, float64(took.Microseconds())/1000, err)
	return result, err
}

func logged[S any](logger *zerolog.Logger, result Result[S], elapsed float64, err error) {
	if err != nil {
		line := logger.Warn()
		if fault.ClassOf(err) != fault.Domain {
			line = logger.Error()
		}
		if damaged := (unfoldable{}); errors.As(err, &damaged) {
			line = line.AnErr("cause", damaged.cause)
		}
		observe.Failed(line, elapsed, err).Msg("command:failed")
		return
	}
	line := logger.Info().Float64(observe.FieldDurationMs, elapsed).Str(observe.FieldResult, observe.ResultOK).
		Uint64(observe.FieldVersion, result.Version).Bool("repeated", result.Repeated)
	if n := len(result.Events); n > 0 {
		line = line.Str(observe.FieldEventID, result.Events[n-1].ID)
	}
	line.Msg("command:success")
}

// noted sets all of a command's span attributes at once, which costs less than one at a time.
func noted(span observe.Span, name, stream string, version uint64, repeated bool, err error) {
	if !span.Recorded() {
		return
	}
	all := []attribute.KeyValue{attribute.String(observe.AttrCommand, name), attribute.String(observe.AttrStream, stream)}
	if err == nil {
		all = append(all, attribute.Int(observe.AttrVersion, int(version)), attribute.Bool(observe.AttrRepeated, repeated))
	}
	span.Set(all...).Failed(err)
}

// lostRace notes that another command changed the stream first.
func lostRace(ctx context.Context, name, stream string, attempt int) {
	observe.MetricsOf(ctx).Conflict(ctx, name)
	observe.Logger(ctx).Info().Str(observe.FieldCommandName, name).Str(observe.FieldStream, stream).Int("attempt", attempt).Msg("command:conflict")
}

// retried notes that a command decides again.
func retried(ctx context.Context, name string) { observe.MetricsOf(ctx).Retried(ctx, name) }

// unconfirmed notes whether events were found after an append that the store did not confirm.
func unconfirmed(ctx context.Context, stream string, found bool, err error) {
	observe.Logger(ctx).Warn().Str(observe.FieldStream, stream).Bool("appended", found).Err(err).Msg("command:append-unconfirmed")
}

// observedStreams records each call of the event store as a part of the command's span.
type observedStreams struct{ Streams }

// Load implements Streams.
func (s observedStreams) Load(ctx context.Context, stream string, after uint64) ([]event.Event, error) {
	ctx, part := observe.StartPart(ctx, "load")
	history, err := s.Streams.Load(ctx, stream, after)
	part.Over(ctx, err).Int(observe.AttrEvents, len(history)).End()
	return history, err
}

// Append implements Streams. Losing the race for a stream is not recorded as a failure of the store.
func (s observedStreams) Append(ctx context.Context, stream string, expected uint64, events []event.Event) error {
	ctx, part := observe.StartPart(ctx, "append")
	err := s.Streams.Append(ctx, stream, expected, events)
	failure, lost := err, errors.Is(err, eventstore.ErrConflict)
	if lost {
		failure = nil
	}
	if span := part.Over(ctx, failure); span.Recorded() {
		span.Set(attribute.Int(observe.AttrEvents, len(events)), attribute.Int(observe.AttrVersion, int(expected)+len(events)))
		if lost {
			span.Bool("gakushoku.conflict", true)
		}
		span.End()
	}
	return err
}
