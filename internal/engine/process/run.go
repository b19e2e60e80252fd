package process

import (
	"context"
	"time"

	"gakushoku/internal/fault"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/observe"
)

// maxRunPause bounds the wait after a failure, so that the end of an outage is noticed soon.
const maxRunPause = 30 * time.Second

// Run calls RunDue at each tick, and soon after each wake-up, until ctx ends. If a store fails, it logs that
// and tries again for as long as it takes.
func (w *Worker) Run(ctx context.Context) {
	pause := time.Duration(0)
	for ctx.Err() == nil {
		wake := w.waking()
		_, err := w.RunDue(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			pause = min(max(2*pause, w.Tick), maxRunPause)
			observe.Logger(ctx).Error().Err(err).Str(observe.FieldErrorClass, string(fault.ClassOf(err))).
				Str(observe.FieldProcess, w.Name()).Dur("retryMs", pause).Msg("process:delayed")
			wake = nil
		} else {
			pause = 0
		}
		w.await(ctx, wake, max(pause, w.Tick))
	}
}

func (w *Worker) waking() <-chan struct{} {
	if w.Wake == nil {
		return nil
	}
	return w.Wake()
}

// await waits for a wake-up, at most limit. What woke it is taken only when its grace is over.
func (w *Worker) await(ctx context.Context, wake <-chan struct{}, limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-wake:
		wait.For(ctx, w.Grace) //nolint:errcheck // the caller looks at ctx
	}
}
