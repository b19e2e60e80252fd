package replica

import (
	"context"
	"errors"
	"sync"
	"time"

	"gakushoku/internal/fault"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/observe"
)

const (
	pollPause    = 250 * time.Millisecond // how often to look for new segments
	longestPause = 5 * time.Second        // after failures
	copyLimit    = 5 * time.Minute        // for one round, so that a place that hangs is tried again
	leaseTries   = 5                      // contacts in the time of a lease
	contactEvery = 3 * time.Second        // without a lease
)

// Run copies and stays in contact until ctx ends or this primary has to stop for good, and returns why. It logs
// failures of the place and tries again for as long as it takes.
func (p *Primary) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began := p.Now()
	contact := func(ctx context.Context) error {
		defer func() { observe.MetricsOf(ctx).ReplicaBehind(ctx, p.Behind(began)) }()
		return p.Contact(ctx)
	}
	var both sync.WaitGroup
	pause, limit := contactEvery, Lease
	if p.About.LeaseMs > 0 {
		pause, limit = p.About.Lease()/leaseTries, p.About.Lease()/2
	}
	for _, do := range []struct {
		pause, limit time.Duration
		once         func(context.Context) error
		failed       string
	}{{pause, limit, contact, "replica:no-contact"}, {pollPause, copyLimit, p.Copy, "replica:not-copied"}} {
		both.Go(func() {
			cancel(repeat(ctx, do.pause, do.limit, do.failed, do.once))
		})
	}
	both.Wait()
	_, stopped := p.ready()
	if stopped != nil {
		observe.Logger(ctx).Error().Str(observe.FieldErrorClass, string(fault.Infra)).Err(stopped).Msg("replica:fenced")
	}
	return stopped
}

// repeat calls once with pauses, which grow while it fails, until ctx ends or the primary stops.
func repeat(ctx context.Context, pause, limit time.Duration, failed string, once func(context.Context) error) error {
	next := pause
	for ctx.Err() == nil {
		limited, cancel := context.WithTimeout(ctx, limit)
		err := once(limited)
		cancel()
		switch {
		case errors.Is(err, ErrFenced), errors.Is(err, ErrOtherLog):
			return err
		case err == nil:
			next = pause
		case ctx.Err() == nil:
			observe.Logger(ctx).Error().Err(err).Str(observe.FieldErrorClass, string(fault.ClassOf(err))).Msg(failed)
			next = min(2*next, max(pause, longestPause))
		}
		if wait.For(ctx, next) != nil {
			break
		}
	}
	return nil
}
