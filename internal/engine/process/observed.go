package process

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
)

// actorOf returns the caller as whom a process records outcomes, so that a repeated command is recognized
// whoever drove the step.
func actorOf(process string) observe.Caller {
	return observe.Caller{Name: "process:" + process, Role: "process", Scopes: observe.EveryScope}
}

// watchStep starts the span of an attempt and logs its start; watched ends it. The attempt runs as the
// process, in the operation of the event that led to it.
func watchStep(ctx context.Context, s *standing, c Call, now func() time.Time) (stepCtx context.Context, watched func(error)) {
	ctx = observe.WithCaller(ctx, actorOf(c.Process))
	if s.last.CorrelationID != "" {
		ctx = observe.WithCorrelationID(ctx, s.last.CorrelationID)
	}
	ctx, span := observe.StartLinked(ctx, "process step", observe.Internal, event.Traceparents([]event.Event{s.last}))
	if span.Recorded() {
		span.Str(observe.AttrProcess, c.Process).Str(observe.AttrStep, c.Step).Str(observe.AttrStream, c.Stream).Int(observe.AttrVersion, int(c.Version))
	}
	logger := observe.Logger(ctx).With().Str(observe.FieldProcess, c.Process).Str(observe.FieldStep, c.Step).
		Str(observe.FieldStream, c.Stream).Uint64(observe.FieldVersion, c.Version).Int("attempt", c.Attempt).Logger()
	logger.Debug().Str("callId", c.ID).Msg("process:step:start")
	started := now()
	return ctx, func(err error) {
		took := now().Sub(started)
		span.Failed(err).End()
		observe.MetricsOf(ctx).ProcessStep(ctx, c.Process, c.Step, took, err)
		elapsed := float64(took.Microseconds()) / 1000
		if err != nil {
			observe.Failed(logger.Warn(), elapsed, err).Msg("process:step:failed")
			return
		}
		logger.Info().Float64(observe.FieldDurationMs, elapsed).Str(observe.FieldResult, observe.ResultOK).Msg("process:step:success")
	}
}

// watchEnd counts the beginning and the end of a process's work for a stream. A process has ended when it
// rests: it may begin again with another event.
func (w *Worker) watchEnd(ctx context.Context, before, after *standing, failure error) {
	if failure != nil {
		return // another caller moved the stream on, and counts it
	}
	m := observe.MetricsOf(ctx)
	if before.fold.Version == before.began {
		m.ProcessRun(ctx, w.Name(), observe.RunStarted)
	}
	if after.waits {
		return
	}
	outcome := observe.RunCompleted
	if before.undone {
		outcome = observe.RunCompensated
	}
	m.ProcessRun(ctx, w.Name(), outcome)
	observe.Logger(ctx).Info().Str(observe.FieldCorrelationID, after.last.CorrelationID).Str(observe.FieldProcess, w.Name()).
		Str(observe.FieldStream, after.stream).Uint64(observe.FieldVersion, after.fold.Version).Msg("process:" + outcome)
}

func logStuck(ctx context.Context, process string, row projection.Record, tried projection.Tried) {
	observe.Logger(ctx).Error().Str(observe.FieldProcess, process).Str(observe.FieldStep, row.Task.Step).
		Str(observe.FieldStream, row.Stream).Uint64(observe.FieldVersion, row.Version).Int("attempts", tried.Attempts).
		Str(observe.FieldErrorClass, string(fault.Infra)).Str("error", tried.Error).Msg("process:stuck")
}

// maxCounted bounds the stuck tasks that are counted: an operator need not know how many more there are.
const maxCounted = 1_000

// measure records how many tasks are stuck, and for how long the oldest has been due.
func (w *Worker) measure(ctx context.Context, t projection.Table) error {
	m := observe.MetricsOf(ctx)
	if m == nil {
		return nil
	}
	stuck := 0
	for cursor, more := "", true; more && stuck < maxCounted; more = cursor != "" {
		page, next, err := w.Tables.Stuck(ctx, t, cursor, pageSize)
		if err != nil {
			return err
		}
		stuck, cursor = stuck+len(page), next
	}
	oldest, err := w.Tables.OldestDue(ctx, t)
	if err != nil {
		return err
	}
	overdue := time.Duration(0)
	if !oldest.IsZero() {
		overdue = max(0, w.Now().Sub(oldest.Time()))
	}
	m.ProcessState(ctx, w.Name(), stuck, overdue)
	return nil
}

// shorten cuts a text that is kept.
func shorten(text string) string {
	if len(text) <= maxError {
		return text
	}
	cut := maxError
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return strings.ToValidUTF8(text[:cut], "") + "..."
}
