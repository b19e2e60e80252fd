package rebuild

import (
	"context"
	"errors"
	"time"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/observe"
)

// Abandoned is what is stored about a failed run.
type Abandoned struct {
	Run    Run    `json:"run"`
	Reason string `json:"reason"`
}

// Abandon ends a failed run: it removes the run's version, unless readers were switched to it, and stores the
// reason. It does not touch the active version.
func (e *Engine) Abandon(ctx context.Context, run Run, reason string) (Run, error) {
	return e.step(ctx, run, StepAbandon, func(run *Run) error {
		observe.Logger(ctx).Warn().Str("runId", run.ID).Str("reason", reason).Msg("reproject:abandoned")
		if err := e.put(ctx, run.key("abandoned.json"), Abandoned{*run, reason}); err != nil {
			return err
		}
		pointer, err := e.Pointers.Pointer(ctx, run.Projection)
		if errors.Is(err, projection.ErrNoPointer) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, v := range pointer.Versions {
			if v.RunID != run.ID || v.State != projection.Building && v.State != projection.Scratch {
				continue // it belongs to another run, or readers see it or have seen it
			}
			discarded, err := e.discard(ctx, pointer.Table(v))
			if err != nil {
				return err
			}
			if discarded {
				run.Dropped = append(run.Dropped, v.Number)
			}
		}
		return nil
	})
}

// AbandonAll abandons runs that are under way and returns them as they then are, with the versions that were
// dropped. The caller must first ensure that none of them is still running.
func (e *Engine) AbandonAll(ctx context.Context, runs []UnderWay, reason string) ([]Run, error) {
	var abandoned []Run
	for i := range runs {
		run, err := e.Abandon(ctx, runs[i].Run, reason)
		if err != nil {
			return abandoned, err
		}
		abandoned = append(abandoned, run)
	}
	return abandoned, nil
}

func (e *Engine) sleep(ctx context.Context, d time.Duration) error {
	if e.Sleep != nil {
		return e.Sleep(ctx, d)
	}
	return wait.For(ctx, d)
}
