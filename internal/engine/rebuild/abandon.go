package rebuild

import (
	"context"
	"errors"
	"time"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/observe"
)

// Abandoned is what is kept of a run that has failed.
type Abandoned struct {
	Run    Run    `json:"run"`
	Reason string `json:"reason"`
}

// Abandon ends a run that has failed: its version, unless readers have been switched to it, is
// taken away, and the reason is kept. The active version is not touched.
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
				continue // another's, or readers see it, or have seen it
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

// AbandonAll abandons runs that are under way, and answers what has become of them: what was
// dropped is in them. The caller has made sure that none of them is going on.
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
