// Package retry repeats what failed for a while: a lost race, a busy file, a service that does not respond.
package retry

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"

	"gakushoku/internal/fault"
)

// Policy bounds the tries and says how long the pauses between them are.
type Policy struct {
	Tries  int           // at most; 0: no limit
	Within time.Duration // no try begins later than this after the first; 0: no limit
	// First is the pause after the first try. Each further one is twice as long, up to Longest. If Longest is
	// 0, all are as long as the first.
	First, Longest time.Duration
	// Jitter is the share of a pause that is random, from 0 to 1, so that those that collided once do not
	// collide again.
	Jitter float64
}

// Do calls op until it need not or must not be called again: op returns again as false, the policy's limits
// are reached, or ctx ends. It returns what op returned last, or ctx.Err() if op wanted another try when ctx
// ended. An op that wants another try returns the error that is to be returned if there is none.
func Do(ctx context.Context, p Policy, op func() (again bool, err error)) error {
	var again bool
	var last error
	backoff.Retry(ctx, func() (none struct{}, err error) { //nolint:errcheck // last is the error as op made it
		if again, last = op(); again {
			return none, last
		}
		return none, backoff.Permanent(last)
	}, backoff.WithBackOff(p.pauses()), backoff.WithMaxTries(uint(p.Tries)), backoff.WithMaxElapsedTime(p.Within))
	if ended := ctx.Err(); again && ended != nil && !errors.Is(last, ended) {
		return ended
	}
	return last
}

// pauses returns pauses whose mean is so far below the longest as half of their random part.
func (p Policy) pauses() *backoff.ExponentialBackOff {
	mean := 1 - p.Jitter/2
	return &backoff.ExponentialBackOff{
		InitialInterval:     time.Duration(float64(p.First) * mean),
		MaxInterval:         time.Duration(float64(max(p.First, p.Longest)) * mean),
		RandomizationFactor: (1 - mean) / mean,
		Multiplier:          2,
	}
}

// Unavailable makes op one that wants another try after infrastructure errors.
func Unavailable(op func() error) func() (bool, error) {
	return func() (bool, error) {
		err := op()
		return fault.ClassOf(err) == fault.Infra, err
	}
}
