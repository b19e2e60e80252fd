package demo

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"gakushoku/internal/readmodel"
)

// traffic is guests who come one after the other from the beginning of the story to its end,
// with the kitchen that cooks for them. Every request counts: none may fail, and whoever asks
// for an order right after a command must see what the command did.
type traffic struct {
	client  *client
	closing chan struct{}
	once    sync.Once
	people  sync.WaitGroup

	mu    sync.Mutex
	tally tally
}

// tally is what guests have done so far.
type tally struct {
	orders, commands, queries int
	failed, stale             int
	first                     error // the first that went wrong
	took                      []time.Duration
}

func (t *tally) requests() int { return t.commands + t.queries }

// p95 is how long 95 of 100 requests took at most.
func (t *tally) p95() time.Duration {
	if len(t.took) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(t.took))
	return sorted[(len(sorted)*95+99)/100-1]
}

// pace is how long each guest hesitates before a request.
const pace = 25 * time.Millisecond

var guests = []string{"aoi", "haruto", "yui"}

func newTraffic(c *client) *traffic { return &traffic{client: c, closing: make(chan struct{})} }

func (t *traffic) start(ctx context.Context) {
	for i, name := range guests {
		t.people.Go(func() {
			for n := 1; t.eat(ctx, fmt.Sprintf("%s-%d", name, n), menu[(i+n)%len(menu)]); n++ {
			}
		})
	}
}

// close lets everybody end the request that is under way, and go home.
func (t *traffic) close() {
	t.once.Do(func() { close(t.closing) })
	t.people.Wait()
}

// soFar is what has been done until now.
func (t *traffic) soFar() tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum := t.tally
	sum.took = slices.Clone(t.tally.took)
	return sum
}

// wrong is an error once a guest had reason to complain.
func (t *traffic) wrong() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tally.first == nil {
		return nil
	}
	return fmt.Errorf("of %d requests of the guests %d failed and %d answers were stale: %w", t.tally.requests(), t.tally.failed, t.tally.stale, t.tally.first)
}

// eat is the life of one order. It answers false when there will be no other.
func (t *traffic) eat(ctx context.Context, id string, dish line) bool {
	for _, step := range []struct {
		status  string
		command func() (order, error)
	}{
		{readmodel.StatusOrdered, func() (order, error) { return t.client.place(ctx, id, dish) }},
		{readmodel.StatusPaid, func() (order, error) { o, _, err := t.client.pay(ctx, id); return o, err }},
		{readmodel.StatusPreparing, func() (order, error) { return t.client.work(ctx, id, "prepare") }},
		{readmodel.StatusReady, func() (order, error) { return t.client.work(ctx, id, "ready") }},
		{readmodel.StatusPickedUp, func() (order, error) { return t.client.work(ctx, id, "pickup") }},
	} {
		done, ok := t.request(ctx, true, step.command)
		if !ok {
			return t.open(ctx)
		}
		seen, ok := t.request(ctx, false, func() (order, error) { return t.client.order(ctx, id, done.Version) })
		if !ok {
			return t.open(ctx)
		}
		if seen.Version < done.Version || seen.Status != step.status {
			t.staleAnswer(fmt.Errorf("after version %d of order %s, %s, the guest was shown version %d, %s", done.Version, id, step.status, seen.Version, seen.Status))
		}
	}
	t.mu.Lock()
	t.tally.orders++
	t.mu.Unlock()
	return t.open(ctx)
}

func (t *traffic) open(ctx context.Context) bool {
	select {
	case <-t.closing:
		return false
	default:
		return ctx.Err() == nil
	}
}

// request sends one after a moment, and counts it; false when it failed or is not sent any more.
func (t *traffic) request(ctx context.Context, command bool, send func() (order, error)) (order, bool) {
	select {
	case <-t.closing:
		return order{}, false
	case <-ctx.Done():
		return order{}, false
	case <-time.After(pace):
	}
	started := time.Now()
	answer, err := send()
	took := time.Since(started)
	if err != nil && ctx.Err() != nil {
		return order{}, false // the whole story was stopped, and the request with it
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if command {
		t.tally.commands++
	} else {
		t.tally.queries++
	}
	t.tally.took = append(t.tally.took, took)
	if err != nil {
		t.tally.failed++
		t.note(err)
	}
	return answer, err == nil
}

func (t *traffic) staleAnswer(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tally.stale++
	t.note(err)
}

func (t *traffic) note(err error) {
	if t.tally.first == nil {
		t.tally.first = err
	}
}
