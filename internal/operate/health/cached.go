package health

import (
	"context"
	"sync"
	"time"
)

// Cached returns a probe that looks at most once in a while. A check does not wait for it, except for its first
// look: while a later one is under way, it gets what the one before found.
func Cached(p Probe, every time.Duration, now func() time.Time) Probe {
	c := &cached{check: p.Check, every: every, now: now}
	p.Check = c.look
	return p
}

type cached struct {
	check func(context.Context) (string, error)
	every time.Duration
	now   func() time.Time

	mu      sync.Mutex
	found   *finding
	at      time.Time     // of the last look
	looking chan struct{} // closed when the look under way has ended; nil if none is
}

// look returns what was found last, and has it looked again if that is old.
func (c *cached) look(ctx context.Context) (string, error) {
	found, looking := c.last(ctx)
	if found == nil {
		select {
		case <-looking:
			found, _ = c.last(ctx)
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	return found.detail, found.err
}

func (c *cached) last(ctx context.Context) (*finding, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.looking == nil && (c.found == nil || c.now().Sub(c.at) >= c.every) {
		c.looking, c.at = make(chan struct{}), c.now()
		// It must not end with the check that began it. The time limit bounds it.
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), DefaultTimeout)
		go func() {
			defer cancel()
			detail, err := c.check(limited)
			c.mu.Lock()
			defer c.mu.Unlock()
			close(c.looking)
			c.found, c.looking = &finding{detail, err}, nil
		}()
	}
	return c.found, c.looking
}
