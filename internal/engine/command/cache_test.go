package command_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gakushoku/internal/canteen/refusal"
	"gakushoku/internal/canteen/stock"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/memory"
)

// counted counts the events that are loaded.
type counted struct {
	*memory.Events
	mu     sync.Mutex
	loaded int
}

func (c *counted) Load(ctx context.Context, stream string, after uint64) ([]event.Event, error) {
	events, err := c.Events.Load(ctx, stream, after)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loaded += len(events)
	return events, err
}

// taken is how many events were loaded since the last call.
func (c *counted) taken() int {
	n := c.loaded
	c.loaded = 0
	return n
}

func cached(s command.Streams, cache *command.Cache) *command.Handler {
	return &command.Handler{Streams: s, Now: time.Now, NewID: observe.NewID, Cache: cache}
}

const shelf = "2026-11-30-curry"

func ask(ctx context.Context, h *command.Handler, c stock.Command, key string) (command.Result[stock.State], error) {
	return command.Execute(ctx, h, stock.Rules, command.Request[stock.Command]{ID: shelf, Command: c, Key: key})
}

func take(n int) stock.Command {
	return stock.Reserve{StockID: shelf, OrderID: fmt.Sprint("o", n), Quantity: 1}
}

func TestALongStreamIsLoadedOnce(t *testing.T) {
	t.Parallel()
	s := &counted{Events: memory.NewEvents()}
	one, other := cached(s, &command.Cache{}), cached(s, nil)
	for n := range 100 {
		if _, err := ask(t.Context(), other, take(n), fmt.Sprint("k", n)); err != nil {
			t.Fatal(err)
		}
	}
	s.taken()
	for i, want := range []int{100, 0, 0} { // the whole stream, then nothing but its own events, which it knows
		if _, err := ask(t.Context(), one, take(100+i), ""); err != nil || s.taken() != want {
			t.Errorf("command %d: %v; want %d events loaded", i+1, err, want)
		}
	}
	if _, err := ask(t.Context(), other, take(200), ""); err != nil {
		t.Fatal(err)
	}
	s.taken()
	r, err := ask(t.Context(), one, take(201), "")
	if n := s.taken(); err != nil || n != 1 || r.Version != 105 || r.State.Reserved != 105 {
		t.Errorf("what another has added: %d events loaded, %+v, %v", n, r.Version, err)
	}
	first, err := ask(t.Context(), one, take(7), "k7")
	if err != nil || !first.Repeated || first.Version != 8 || first.State.Reserved != 8 {
		t.Errorf("a command of long ago: version %d, repeated %t, %v", first.Version, first.Repeated, err)
	}
	if _, err := ask(t.Context(), one, take(8), "k7"); !errors.Is(err, command.ErrKeyReused) {
		t.Errorf("its key with another command: %v", err)
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	t.Parallel()
	s := &counted{Events: memory.NewEvents()}
	h := cached(s, &command.Cache{Least: 1, Most: 20})
	on := func(stream int, n int) {
		id := fmt.Sprintf("2026-11-30-p%d", stream)
		c := stock.Reserve{StockID: id, OrderID: fmt.Sprint("o", n), Quantity: 1}
		if _, err := command.Execute(t.Context(), h, stock.Rules, command.Request[stock.Command]{ID: id, Command: c}); err != nil {
			t.Fatal(err)
		}
	}
	for stream := range 3 {
		for n := range 8 {
			on(stream, n)
		}
	}
	s.taken()
	for stream, want := range map[int]int{2: 0, 1: 0} {
		if on(stream, 100); s.taken() != want {
			t.Errorf("stream %d is not kept any more", stream)
		}
	}
	if on(0, 100); s.taken() != 8 {
		t.Error("more than 20 events are kept")
	}
}

// TestAStreamThatIsReplacedIsLoadedAnew: a store that was put back to an earlier state refuses the append, and
// has nothing newer than what is kept.
func TestAStreamThatIsReplacedIsLoadedAnew(t *testing.T) {
	t.Parallel()
	before, after := memory.NewEvents(), memory.NewEvents()
	s := &swapped{Streams: before}
	h := cached(s, &command.Cache{Least: 1})
	for n := range 5 {
		if _, err := ask(t.Context(), h, take(n), ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ask(t.Context(), cached(after, nil), take(50), ""); err != nil {
		t.Fatal(err)
	}
	s.Streams = after
	r, err := ask(t.Context(), h, take(51), "")
	if err != nil || r.Version != 2 || r.State.Reserved != 2 {
		t.Errorf("version %d, %+v, %v", r.Version, r.State, err)
	}
}

type swapped struct{ command.Streams }

// TestHandlersWithAndWithoutACacheSayTheSame: two handlers with caches of their own and one without, on one
// store, whatever comes, give each command the outcome that a single handler without a cache gives.
func TestHandlersWithAndWithoutACacheSayTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, alone := memory.NewEvents(), cached(memory.NewEvents(), nil)
		handlers := []*command.Handler{cached(s, &command.Cache{Least: 1}), cached(s, &command.Cache{Least: 4, Most: 10}), cached(s, nil)}
		for range rapid.IntRange(1, 40).Draw(t, "commands") {
			n := rapid.IntRange(0, 6).Draw(t, "order")
			order := fmt.Sprint("o", n)
			c := rapid.SampledFrom([]stock.Command{
				take(n), stock.Sell{StockID: shelf, OrderID: order}, stock.Release{StockID: shelf, OrderID: order},
				stock.SetPortions{StockID: shelf, Portions: rapid.Int64Range(0, 5).Draw(t, "portions")},
			}).Draw(t, "command")
			key := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "key")
			got, err := ask(t.Context(), rapid.SampledFrom(handlers).Draw(t, "handler"), c, key)
			want, wantErr := ask(t.Context(), alone, c, key)
			if diff := cmp.Diff(outcomeOf(want, wantErr), outcomeOf(got, err)); diff != "" {
				t.Fatalf("%+v with key %q (-without a cache +with):\n%s", c, key, diff)
			}
		}
	})
}

func outcomeOf(r command.Result[stock.State], err error) string {
	return fmt.Sprintf("%d %t %d events, %+v, %v", r.Version, r.Repeated, len(r.Events), r.State.Orders.All(), err)
}

// TestTheLastPortionIsSoldOnce: fifty clients on two handlers, each with a cache, want the last portion.
func TestTheLastPortionIsSoldOnce(t *testing.T) {
	t.Parallel()
	s := memory.NewEvents()
	handlers := []*command.Handler{cached(s, &command.Cache{Least: 1}), cached(s, &command.Cache{Least: 1})}
	if _, err := ask(t.Context(), handlers[0], stock.SetPortions{StockID: shelf, Portions: 1}, ""); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	results := make([]error, 50)
	for n := range results {
		all.Go(func() { _, results[n] = ask(t.Context(), handlers[n%2], take(n), "") })
	}
	all.Wait()
	sold, refused := 0, 0
	for _, err := range results {
		switch {
		case err == nil:
			sold++
		case errors.Is(err, &refusal.Error{Code: stock.CodeSoldOut}):
			refused++
		default:
			t.Error(err)
		}
	}
	if sold != 1 || refused != 49 {
		t.Errorf("%d sold, %d refused", sold, refused)
	}
}
