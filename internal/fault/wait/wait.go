// Package wait pauses until a time has passed or the context ends, so that nothing waits longer than its
// caller.
package wait

import (
	"context"
	"time"
)

// For waits for d, or returns ctx.Err() when ctx ends first. A context that has already ended wins over any
// d.
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
