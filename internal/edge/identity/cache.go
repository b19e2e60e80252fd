package identity

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"gakushoku/internal/fault"
)

// loadLimit bounds how long loading may take. It does not end with the request that needs the value, which
// would let clients that leave keep everybody from it.
const loadLimit = 5 * time.Second

// cache keeps one value that is loaded from elsewhere when it is needed. It loads once at a time, and with
// pauses, so that no storm of requests becomes one of loads.
type cache[T any] struct {
	load func(context.Context) (T, error)
	now  func() time.Time

	fresh  time.Duration // how long a value is used without loading it again
	usable time.Duration // how long it is used when loading fails
	pause  time.Duration // after a load, before a value that lacks something is loaded again
	again  time.Duration // after a failed load, before the next try

	turn    chan struct{}
	current atomic.Pointer[loaded[T]]
}

// loaded is the outcome of the last load. It never changes.
type loaded[T any] struct {
	value T
	at    time.Time // when value was loaded; zero for never
	next  time.Time // when the next load may begin
	err   error     // of the last load
}

func newCache[T any](c *cache[T]) *cache[T] {
	c.turn = make(chan struct{}, 1)
	c.current.Store(&loaded[T]{})
	return c
}

// get returns the value. If it lacks what has looks for, it is loaded again, at most once in each pause. The
// value that is returned may still lack it.
func (c *cache[T]) get(ctx context.Context, has func(T) bool) (T, error) {
	if now := c.now(); c.settled(c.current.Load(), now, has) {
		return c.outcome(c.current.Load(), now)
	}
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
	defer func() { <-c.turn }()
	l, now := c.current.Load(), c.now()
	if !c.settled(l, now, has) {
		l = c.reload(ctx, l)
	}
	return c.outcome(l, now)
}

// settled reports whether no load is needed, or none is due yet.
func (c *cache[T]) settled(l *loaded[T], now time.Time, has func(T) bool) bool {
	return now.Before(l.next) || !l.at.IsZero() && now.Sub(l.at) < c.fresh && has(l.value)
}

func (c *cache[T]) outcome(l *loaded[T], now time.Time) (T, error) {
	if !l.at.IsZero() && now.Sub(l.at) < max(c.usable, c.fresh) {
		return l.value, nil
	}
	var none T
	if l.err == nil {
		return none, fault.Unavailable(errors.New("what it has to be checked against is too old"))
	}
	return none, fault.UnavailableFor(l.err, c.again)
}

// put makes a value the one that was just loaded.
func (c *cache[T]) put(value T) {
	now := c.now()
	c.current.Store(&loaded[T]{value: value, at: now, next: now.Add(c.pause)})
}

func (c *cache[T]) reload(ctx context.Context, l *loaded[T]) *loaded[T] {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadLimit)
	defer cancel()
	value, err := c.load(ctx)
	if err != nil {
		c.current.Store(&loaded[T]{value: l.value, at: l.at, next: c.now().Add(c.again), err: err})
	} else {
		c.put(value)
	}
	return c.current.Load()
}
