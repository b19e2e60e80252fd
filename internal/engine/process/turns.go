package process

import (
	"context"
	"sync"
)

// turns has the callers of one process take turns at a stream. Nothing depends on it: it saves attempts that
// another caller is making already. The zero value is ready for use.
type turns struct {
	mu   sync.Mutex
	held map[string]*turn
}

type turn struct {
	full  chan struct{} // has an element while a caller has the turn
	users int           // that have it or wait for it
}

// wait waits for a stream's turn until ctx ends. The caller must call release.
func (t *turns) wait(ctx context.Context, stream string) (release func(), err error) {
	one := t.join(stream)
	select {
	case one.full <- struct{}{}:
		return func() { <-one.full; t.leave(stream, one) }, nil
	case <-ctx.Done():
		t.leave(stream, one)
		return nil, ctx.Err()
	}
}

// try is wait for callers that do something else if another has the turn.
func (t *turns) try(stream string) (release func(), ok bool) {
	one := t.join(stream)
	select {
	case one.full <- struct{}{}:
		return func() { <-one.full; t.leave(stream, one) }, true
	default:
		t.leave(stream, one)
		return nil, false
	}
}

func (t *turns) join(stream string) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held == nil {
		t.held = map[string]*turn{}
	}
	one := t.held[stream]
	if one == nil {
		one = &turn{full: make(chan struct{}, 1)}
		t.held[stream] = one
	}
	one.users++
	return one
}

func (t *turns) leave(stream string, one *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if one.users--; one.users == 0 {
		delete(t.held, stream)
	}
}
