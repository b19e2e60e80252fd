package projection_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/store/memory"
)

// lateFeed has an append come at the worst moment: a look that finds nothing is just over, and
// the wait for the next append has not begun.
type lateFeed struct {
	*memory.Events
	mu     sync.Mutex
	awake  chan struct{}
	append func()
}

func (f *lateFeed) Read(ctx context.Context, cursor string, limit int) ([]event.Event, string, error) {
	events, next, err := f.Events.Read(ctx, cursor, limit)
	if f.append != nil && err == nil && len(events) == 0 {
		f.append()
		f.append = nil
		f.wake()
	}
	return events, next, err
}

func (f *lateFeed) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.awake)
	f.awake = make(chan struct{})
}

func (f *lateFeed) Appended() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.awake
}

func TestAnAppendDuringTheLastLookWakesTheFollower(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		control, tables := memory.NewControl(), memory.NewTables()
		if err := projection.Ensure(t.Context(), control, tables, readmodel.Orders()); err != nil {
			t.Fatal(err)
		}
		feed := &lateFeed{Events: memory.NewEvents(), awake: make(chan struct{})}
		feed.append = func() {
			e, err := event.New(order.Placed{OrderID: "o1", Total: 100})
			if err == nil {
				e.ID, e.OccurredAt = "e1", event.InstantOf(time.Now())
				err = feed.Events.Append(t.Context(), "order-o1", 0, []event.Event{e})
			}
			if err != nil {
				t.Error(err)
			}
		}
		f := projection.Follower{
			Name: "orders", Feed: feed, Appended: feed.Appended, Checkpoints: control, Batch: 10, Poll: time.Hour,
			Projector: &projection.Projector{
				Projections: []model.Projection{readmodel.Orders()}, Tables: tables, Streams: feed.Events, Now: time.Now,
				Pointers: &projection.CachedPointers{Source: control, TTL: time.Hour, Now: time.Now},
			},
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- f.Run(ctx) }()
		synctest.Wait() // everything that needs no time has happened
		rows, err := tables.Records(t.Context(), table, []string{"order-o1"})
		if err != nil || rows["order-o1"].Version != 1 {
			t.Errorf("got %v, %v: the event waits for the next poll", rows, err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
