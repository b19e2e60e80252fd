package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"gakushoku/internal/fault/wait"
	"gakushoku/internal/observe"
	"gakushoku/internal/rehearse/loadgen"
)

// served is an order that was picked up.
type served struct {
	ID            string
	Version       uint64
	Total         int64
	CorrelationID string // of its payment
}

// guests order, pay, wait and eat at a steady rate until they are sent home. After each step they look at
// their order, and sometimes at the lists and at older orders.
type guests struct {
	client *client
	pause  time.Duration // between the steps of one guest

	mu      sync.Mutex
	served  []served
	spoiled map[string]bool // orders whose rows are damaged by hand

	stop func()
	home sync.WaitGroup
}

// letIn starts a number of guests who together send rate commands per second.
func letIn(ctx context.Context, c *client, number int, rate float64) *guests {
	ctx, stop := context.WithCancel(ctx)
	g := &guests{client: c, pause: time.Duration(float64(number) / rate * float64(time.Second)), spoiled: map[string]bool{}, stop: stop}
	for i := range number {
		g.home.Go(func() {
			// The guests start at different times.
			if wait.For(ctx, g.pause*time.Duration(i)/time.Duration(number)) != nil {
				return
			}
			for ctx.Err() == nil {
				g.visit(ctx)
			}
		})
	}
	return g
}

// sendHome ends the visits and waits for the guests to go.
func (g *guests) sendHome() {
	g.stop()
	g.home.Wait()
}

// steps are the commands of a visit after placing the order, with the order's status after each.
var steps = []struct {
	command string
	body    any
	status  string
}{
	{"pay", map[string]string{"paymentMethod": "CASH"}, "PAID"},
	{"prepare", struct{}{}, "PREPARING"},
	{"ready", struct{}{}, "READY"},
	{"pickup", struct{}{}, "PICKED_UP"},
}

// visit is the life of one order. If anything goes wrong, the guest complains and leaves.
func (g *guests) visit(ctx context.Context) {
	lines := []loadgen.Line{{ProductID: "katsu-curry", Quantity: 1 + rand.Int64N(3)}}
	placed, ok := g.client.command(ctx, "/orders", observe.NewID(), "", map[string]any{"lines": lines})
	if !ok || !g.look(ctx, placed, "ORDERED") {
		g.rest(ctx)
		return
	}
	done := served{ID: placed.OrderID, Total: placed.Total}
	for _, s := range steps {
		if g.rest(ctx) != nil {
			return
		}
		correlationID := observe.NewID()
		if s.command == "pay" {
			done.CorrelationID = correlationID
		}
		now, ok := g.client.command(ctx, "/orders/"+placed.OrderID+"/"+s.command, correlationID, "", s.body)
		if !ok || !g.look(ctx, now, s.status) {
			return
		}
		done.Version = now.Version
	}
	g.mu.Lock()
	g.served = append(g.served, done)
	g.mu.Unlock()
	g.lookAround(ctx)
	g.rest(ctx)
}

// rest waits between two steps, for a time that results in the wanted rate.
func (g *guests) rest(ctx context.Context) error {
	return wait.For(ctx, g.pause/2+rand.N(g.pause+1))
}

// look reads an order right after a command, at the command's version.
func (g *guests) look(ctx context.Context, written loadgen.Order, status string) bool {
	shown, ok := g.client.order(ctx, written.OrderID, written.Version)
	if !ok {
		return false
	}
	if shown.Version < written.Version || shown.Version == written.Version && shown.Status != status || written.Status != status {
		g.client.complain("stale: order %s was shown as %s at version %d, right after it became %s at %d", written.OrderID, shown.Status, shown.Version, written.Status, written.Version)
		return false
	}
	return true
}

// settled is how long the projector may take until a reader who does not ask for a version sees an order's
// current state.
const settled = 20

// lookAround reads the lists, and an older order without asking for a version.
func (g *guests) lookAround(ctx context.Context) {
	ask[struct{}](ctx, g.client, "/orders?limit=20")
	ask[struct{}](ctx, g.client, "/sales/"+time.Now().UTC().Format(time.DateOnly))
	g.mu.Lock()
	var old served
	if n := len(g.served) - settled; n > 0 {
		old = g.served[rand.IntN(n)]
	}
	skip := g.spoiled[old.ID]
	g.mu.Unlock()
	if old.ID == "" || skip {
		return
	}
	if shown, ok := g.client.order(ctx, old.ID, 0); ok && (shown.Version != old.Version || shown.Status != "PICKED_UP") {
		g.client.complain("went back: order %s was shown as %s at version %d, long after version %d was picked up", old.ID, shown.Status, shown.Version, old.Version)
	}
}

// spoilWhenThere waits until there are n orders to spoil, and spoils them.
func (g *guests) spoilWhenThere(ctx context.Context, n int) ([]served, error) {
	var some []served
	err := until(ctx, 5*time.Minute, fmt.Sprintf("%d orders to be shown for a while", n), func(context.Context) (bool, error) {
		some = append(some, g.spoil(n-len(some))...)
		return len(some) == n, nil
	})
	return some, err
}

// spoil selects some orders that were served a while ago, so that guests no longer look at them: their rows
// are about to be damaged.
func (g *guests) spoil(n int) []served {
	g.mu.Lock()
	defer g.mu.Unlock()
	var some []served
	for _, s := range g.served[:max(0, len(g.served)-settled)] {
		if len(some) < n && !g.spoiled[s.ID] {
			g.spoiled[s.ID] = true
			some = append(some, s)
		}
	}
	return some
}

// mend lets guests look at all orders again.
func (g *guests) mend() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.spoiled)
}

// all returns the orders served so far.
func (g *guests) all() []served {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.served)
}

// waitServed waits until this many more orders have been served.
func (g *guests) waitServed(ctx context.Context, more int) error {
	target := len(g.all()) + more
	return until(ctx, 5*time.Minute, fmt.Sprintf("%d orders to be served", target), func(context.Context) (bool, error) {
		return len(g.all()) >= target, nil
	})
}

// until calls look every second until it returns true, for at most limit.
func until(ctx context.Context, limit time.Duration, what string, look func(context.Context) (bool, error)) error {
	for deadline := time.Now().Add(limit); ; {
		done, err := look(ctx)
		if done || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waiting for %s: not so after %s", what, limit)
		}
		if wait.For(ctx, time.Second) != nil {
			return errInterrupted
		}
	}
}
