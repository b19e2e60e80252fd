package loadgen

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"gakushoku/internal/canteen/readmodel"
)

// Traffic is guests who order from Start to Close and pay in cash, so that they need no payment provider, and
// the kitchen that cooks for them. No request may
// fail, and a guest who asks for an order right after a command must see what the command did.
type Traffic struct {
	client  *Client
	closing chan struct{}
	once    sync.Once
	people  sync.WaitGroup

	mu    sync.Mutex
	tally Tally
}

// Tally counts what guests have done.
type Tally struct {
	Orders, Commands, Queries int
	Failed, Stale             int
	First                     error // the first failure or stale response
	Took                      []time.Duration
}

// Requests returns the number of requests sent.
func (t *Tally) Requests() int { return t.Commands + t.Queries }

// P95 returns the 95th percentile of the requests' durations.
func (t *Tally) P95() time.Duration {
	return Percentile(t.Took, 95)
}

// Percentile returns the nearest-rank percentile of values, 0 of none.
func Percentile[T time.Duration | float64](values []T, p float64) T {
	if len(values) == 0 {
		return 0
	}
	rank := int(math.Ceil(p / 100 * float64(len(values))))
	return slices.Sorted(slices.Values(values))[max(rank, 1)-1]
}

// pace is how long each guest waits before a request.
const pace = 25 * time.Millisecond

// Names are the guests' names. Each guest places one order after the other.
var Names = []string{"aoi", "haruto", "yui"}

// NewTraffic returns traffic that sends its requests with c.
func NewTraffic(c *Client) *Traffic {
	return &Traffic{client: c, closing: make(chan struct{})}
}

// Start lets the guests in. They leave when ctx ends, or at Close.
func (t *Traffic) Start(ctx context.Context) {
	for i, name := range Names {
		t.people.Go(func() {
			for n := 1; t.eat(ctx, fmt.Sprintf("%s-%d", name, n), Orders[(i+n)%len(Orders)]); n++ {
			}
		})
	}
}

// Close waits for the requests under way, then ends the traffic.
func (t *Traffic) Close() {
	t.once.Do(func() { close(t.closing) })
	t.people.Wait()
}

// SoFar returns what the guests have done so far.
func (t *Traffic) SoFar() Tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum := t.tally
	sum.Took = slices.Clone(t.tally.Took)
	return sum
}

// Wrong returns an error once a request has failed or a response was stale.
func (t *Traffic) Wrong() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tally.First == nil {
		return nil
	}
	return fmt.Errorf("of %d requests of the guests %d failed and %d answers were stale: %w", t.tally.Requests(), t.tally.Failed, t.tally.Stale, t.tally.First)
}

// eat plays the life of one order. It returns false when no other order should follow.
func (t *Traffic) eat(ctx context.Context, id string, dish Line) bool {
	for _, step := range []struct {
		status  string
		command func() (Order, error)
	}{
		{readmodel.StatusOrdered, func() (Order, error) { return t.client.Place(ctx, id, dish) }},
		{readmodel.StatusPaid, func() (Order, error) { o, _, err := t.client.pay(ctx, id, "CASH"); return o, err }},
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

// request sends a request after a pause and counts it. It returns false when the request failed or the
// traffic ended before it was sent.
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
