package rebuild

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
)

const (
	catchUpBatch  = 500 // events per batch, as in live delivery
	maxRounds     = 100 // limit on reading the log to its end
	healPage      = 500 // streams per call
	defaultBudget = 10 * time.Minute
)

// CatchUp brings the new version from the watermark to the head of the log through the code of live delivery,
// after healing the streams that had a gap. It repeats until no events are left. It stops when its time
// budget is used up; the driver calls it again until run.CatchUp.Done.
func (e *Engine) CatchUp(ctx context.Context, run Run) (Run, error) {
	return e.step(ctx, run, StepCatchUp, func(run *Run) error {
		progress := *run.CatchUp
		run.CatchUp = &progress
		d, err := e.definition(run.Projection, run.Revision)
		if err != nil {
			return err
		}
		if progress.Rounds == 0 {
			if progress.Healed, err = e.healGaps(ctx, run, d); err != nil {
				return err
			}
		}
		return e.follow(ctx, run, d, run.CatchUp)
	})
}

// healGaps heals the streams that the replay could not fold up to the watermark.
func (e *Engine) healGaps(ctx context.Context, run *Run, d model.Projection) (int, error) {
	results, err := e.results(ctx, run)
	if err != nil {
		return 0, err
	}
	healed := 0
	for i := range results {
		if err := e.Projector.Heal(ctx, d, run.Table(), results[i].GapStreams); err != nil {
			return healed, fmt.Errorf("healing the streams with a gap: %w", err)
		}
		healed += len(results[i].GapStreams)
	}
	return healed, nil
}

// follow applies the log from progress.Number on.
func (e *Engine) follow(ctx context.Context, run *Run, d model.Projection, progress *CaughtUp) error {
	budget := e.Settings.CatchUpBudget
	if budget <= 0 {
		budget = defaultBudget
	}
	deadline := e.Now().Add(budget)
	for {
		if e.Archive != nil {
			if err := e.Archive(ctx); err != nil {
				return fmt.Errorf("bringing the log up to date: %w", err)
			}
		}
		head, err := e.Log.Head(ctx)
		if err != nil {
			return fmt.Errorf("reading the head of the log: %w", err)
		}
		if head.Number <= progress.Number || progress.Rounds >= maxRounds {
			// After this many rounds all events from before Join are applied; live delivery handles the rest.
			progress.Done = true
			return nil
		}
		if e.Now().After(deadline) {
			return nil
		}
		if err := e.applyLog(ctx, run, d, progress, head.Number, deadline); err != nil {
			return err
		}
		progress.Rounds++
	}
}

// errBudget stops reading the log when the call's time budget is used up.
var errBudget = errors.New("the time of this call is used up")

// applyLog applies events up to a number, or until the deadline. It applies each batch as it reads it, so
// every object of the log is read only once.
func (e *Engine) applyLog(ctx context.Context, run *Run, d model.Projection, progress *CaughtUp, upTo uint64, deadline time.Time) error {
	batch := make([]event.Event, 0, catchUpBatch)
	err := e.Log.Events(ctx, progress.Number, upTo, func(number uint64, ev *event.Event) error {
		if batch = append(batch, ev.Clone()); len(batch) < catchUpBatch && number < upTo {
			return nil
		}
		if err := e.applyBatch(ctx, run, d, batch, number); err != nil {
			return err
		}
		progress.Number = number
		progress.Events += int64(len(batch))
		observe.MetricsOf(ctx).Folded(ctx, run.Projection, string(StepCatchUp), int64(len(batch)))
		batch = batch[:0]
		e.progress(Progress{RunID: run.ID, Step: StepCatchUp, Done: int64(number), Total: int64(upTo), Unit: "events"})
		if number < upTo && e.Now().After(deadline) {
			return errBudget
		}
		return nil
	})
	if err != nil && !errors.Is(err, errBudget) {
		return fmt.Errorf("catching up after event %d: %w", progress.Number, err)
	}
	return nil
}

// applyBatch applies a batch's events up to a number.
func (e *Engine) applyBatch(ctx context.Context, run *Run, d model.Projection, batch []event.Event, number uint64) error {
	if err := e.Projector.ApplyTo(ctx, d, run.Table(), batch); err != nil {
		return fmt.Errorf("applying %d events up to %d: %w", len(batch), number, err)
	}
	return nil
}
