package loadgen

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"gakushoku/internal/canteen/readmodel"
)

// Traffic is guests who come one after the other from Start to Close,
// with the kitchen that cooks for them. Every request counts: none may fail, and whoever asks
// for an order right after a command must see what the command did.
type Traffic struct {
	client  *Client
	closing chan struct{}
	once    sync.Once
	people  sync.WaitGroup

	mu    sync.Mutex
	tally Tally
}

// Tally is what guests have done so far.
type Tally struct {
	Orders, Commands, Queries int
	Failed, Stale             int
	First                     error // the first that went wrong
	Took                      []time.Duration
}

// Requests is how many they sent.
func (t *Tally) Requests() int { return t.Commands + t.Queries }

// P95 is how long 95 of 100 requests took at most.
func (t *Tally) P95() time.Duration {
	if len(t.Took) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(t.Took))
	return sorted[(len(sorted)*95+99)/100-1]
}

// pace is how long each guest hesitates before a request.
const pace = 25 * time.Millisecond

// Names are those of the guests: each eats one order after the other.
var Names = []string{"aoi", "haruto", "yui"}

// NewTraffic is guests who use a client.
func NewTraffic(c *Client) *Traffic {
	return &Traffic{client: c, closing: make(chan struct{})}
}

// Start lets them in. They go once ctx ends, or at Close.
func (t *Traffic) Start(ctx context.Context) {
	for i, name := range Names {
		t.people.Go(func() {
			for n := 1; t.eat(ctx, fmt.Sprintf("%s-%d", name, n), Menu[(i+n)%len(Menu)]); n++ {
			}
		})
	}
}

// Close lets everybody end the request that is under way, and go home.
func (t *Traffic) Close() {
	t.once.Do(func() { close(t.closing) })
	t.people.Wait()
}

// SoFar is what has been done until now.
func (t *Traffic) SoFar() Tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum := t.tally
	sum.Took = slices.Clone(t.tally.Took)
	return sum
}

// Wrong is an error once a guest had reason to complain.
func (t *Traffic) Wrong() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tally.First == nil {
		return nil
	}
	return fmt.Errorf("of %d requests of the guests %d failed and %d answers were stale: %w", t.tally.Requests(), t.tally.Failed, t.tally.Stale, t.tally.First)
}

// eat is the life of one order. It answers false when there will be no other.
func (t *Traffic) eat(ctx context.Context, id string, dish Line) bool {
	for _, step := range []struct {
		status  string
		command func() (Order, error)
	}{
		{readmodel.StatusOrdered, func() (Order, error) { return t.client.Place(ctx, id, dish) }},
		{readmodel.StatusPaid, func() (Order, error) { o, _, err := t.client.Pay(ctx, id); return o, err }},
		{readmodel.StatusPreparing, func() (Order, error) { return t.client.Work(ctx, id, "prepare") }},
		{readmodel.StatusReady, func() (Order, error) { return t.client.Work(ctx, id, "ready") }},
		{readmodel.StatusPickedUp, func() (Order, error) { return t.client.Work(ctx, id, "pickup") }},
	} {
		done, ok := t.request(ctx, true, step.command)
		if !ok {
			return t.open(ctx)
		}
		seen, ok := t.request(ctx, false, func() (Order, error) { return t.client.Order(ctx, id, done.Version) })
		if !ok {
			return t.open(ctx)
		}
		if seen.Version < done.Version || seen.Status != step.status {
			t.staleAnswer(fmt.Errorf("after version %d of order %s, %s, the guest was shown version %d, %s", done.Version, id, step.status, seen.Version, seen.Status))
		}
	}
	t.mu.Lock()
	t.tally.Orders++
	t.mu.Unlock()
	return t.open(ctx)
}

func (t *Traffic) open(ctx context.Context) bool {
	select {
	case <-t.closing:
		return false
	default:
		return ctx.Err() == nil
	}
}

// request sends one after a moment, and counts it; false when it failed or is not sent any more.
func (t *Traffic) request(ctx context.Context, command bool, send func() (Order, error)) (Order, bool) {
	select {
	case <-t.closing:
		return Order{}, false
	case <-ctx.Done():
		return Order{}, false
	case <-time.After(pace):
	}
	started := time.Now()
	answer, err := send()
	took := time.Since(started)
	if err != nil && ctx.Err() != nil {
		return Order{}, false // the whole story was stopped, and the request with it
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if command {
		t.tally.Commands++
	} else {
		t.tally.Queries++
	}
	t.tally.Took = append(t.tally.Took, took)
	if err != nil {
		t.tally.Failed++
		t.note(err)
	}
	return answer, err == nil
}

func (t *Traffic) staleAnswer(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tally.Stale++
	t.note(err)
}

func (t *Traffic) note(err error) {
	if t.tally.First == nil {
		t.tally.First = err
	}
}
