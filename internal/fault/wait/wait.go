// Package wait pauses without losing sight of the caller: every pause of the system ends with
// its context, so that nothing waits longer than its caller does.
package wait

import (
	"context"
	"time"
)

// For waits for d, or returns ctx.Err() when ctx ends first. A context that has ended already
// wins over any d.
func For(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
