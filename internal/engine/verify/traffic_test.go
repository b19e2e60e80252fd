package verify_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/event"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/model"
	"gakushoku/internal/rehearse/inmemory"
)

// traffic is writers that append to orders and projectors that bring the read model up, late,
// in any order, and some of it twice.
type traffic struct {
	*world
	stop    context.CancelFunc
	working sync.WaitGroup

	mu      sync.Mutex
	pending []event.Event
	flying  map[string]bool // ids of events that are appended but not in the rows yet
}

// maxEvents bounds the life of one order, so that reading it stays quick.
const maxEvents = 12

func (w *world) traffic(seed uint64) *traffic {
	ctx, stop := context.WithCancel(w.TB.Context())
	x := &traffic{world: w, stop: stop, flying: map[string]bool{}}
	for i := range uint64(3) {
		x.working.Go(func() { x.write(ctx, rand.New(rand.NewPCG(seed, i))) })
		x.working.Go(func() { x.deliver(ctx, rand.New(rand.NewPCG(seed, 100+i))) })
	}
	w.TB.Cleanup(x.end)
	return x
}

func (x *traffic) end() {
	x.stop()
	x.working.Wait()
}

func (x *traffic) write(ctx context.Context, random *rand.Rand) {
	for n := 0; ctx.Err() == nil; n++ {
		id := fmt.Sprintf("t%d", random.IntN(20+n/20))
		stream := order.Stream(id)
		history, err := x.Events.Load(ctx, stream, 0)
		if err != nil || len(history) >= maxEvents {
			continue
		}
		e := []event.Event{randomLife(x.TB, random, id, len(history))}
		x.mu.Lock() // an event that is seen in the store is known to be on its way
		err = x.Events.Append(ctx, stream, uint64(len(history)), e)
		if err == nil {
			x.pending = append(x.pending, e[0])
			x.flying[e[0].ID] = true
		}
		x.mu.Unlock()
		if err != nil && ctx.Err() == nil && !errors.Is(err, eventstore.ErrConflict) {
			x.TB.Error(err)
			return
		}
		wait.For(ctx, time.Duration(random.IntN(200))*time.Microsecond) //nolint:errcheck // the loop looks
	}
}

func (x *traffic) deliver(ctx context.Context, random *rand.Rand) {
	projector := x.newProjector()
	for ctx.Err() == nil {
		batch := x.take(random)
		if len(batch) == 0 {
			wait.For(ctx, 100*time.Microsecond) //nolint:errcheck // the loop looks
			continue
		}
		failed := projector.Apply(context.WithoutCancel(ctx), batch)
		x.mu.Lock()
		for _, e := range batch {
			if failed[e.Stream] != nil {
				x.pending = append(x.pending, e)
			} else {
				delete(x.flying, e.ID)
			}
		}
		x.mu.Unlock()
	}
}

func (x *traffic) take(random *rand.Rand) []event.Event {
	x.mu.Lock()
	defer x.mu.Unlock()
	random.Shuffle(len(x.pending), func(i, j int) { x.pending[i], x.pending[j] = x.pending[j], x.pending[i] })
	n := min(len(x.pending), 1+random.IntN(8))
	batch := slices.Clone(x.pending[:n])
	again := random.IntN(n + 1) // some are delivered twice
	x.pending = append(x.pending[n:], batch[:min(again, n/4)]...)
	return batch
}

// settle is the lag bound: it waits until what was appended before is in the rows.
func (x *traffic) settle(ctx context.Context, _ time.Duration) error {
	x.mu.Lock()
	waiting := map[string]bool{}
	for id := range x.flying {
		waiting[id] = true
	}
	x.mu.Unlock()
	for len(waiting) > 0 {
		x.mu.Lock()
		for id := range waiting {
			if !x.flying[id] {
				delete(waiting, id)
			}
		}
		x.mu.Unlock()
		if err := wait.For(ctx, 100*time.Microsecond); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// verifyParts verifies as many parts as there would be workers of a rebuild.
func (w *world) verifyParts(v *verify.Verifier, parts int, o verify.Options) verify.Report {
	w.TB.Helper()
	before, err := v.Tables.Totals(w.TB.Context(), table)
	if err != nil {
		w.TB.Fatal(err)
	}
	found := make([]*verify.Findings, parts)
	var working sync.WaitGroup
	for i := range found {
		o := o
		o.Part = eventstore.Part{Index: i, Count: parts}
		working.Go(func() {
			var err error
			if found[i], err = v.Rows(w.TB.Context(), orders, table, o); err != nil {
				w.TB.Error(err)
			}
		})
	}
	working.Wait()
	after, err := v.Tables.Totals(w.TB.Context(), table)
	if err != nil || w.TB.Failed() {
		w.TB.Fatal(err)
	}
	report := verify.Conclude(found, before, after)
	if err := v.Settle(w.TB.Context(), orders, table, &report); err != nil {
		w.TB.Fatal(err)
	}
	return report
}

// underTraffic verifies a table again and again while it is written.
func underTraffic(t *testing.T, each func(x *traffic, v *verify.Verifier, parts int)) {
	t.Helper()
	for _, snapshots := range []bool{false, true} {
		for _, parts := range []int{1, 3} {
			t.Run(fmt.Sprintf("snapshots %t, %d parts", snapshots, parts), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				for i := range 40 {
					w.order(fmt.Sprintf("o%d", i))
				}
				w.poison("bad") // the traffic may bring none before it is stopped
				x := w.traffic(uint64(parts))
				v := w.verifier(snapshots)
				v.LagBound, v.Sleep = time.Minute, x.settle
				each(x, v, parts)
			})
		}
	}
}

func TestLiveTrafficIsNoFalseAlarm(t *testing.T) {
	t.Parallel()
	underTraffic(t, func(x *traffic, v *verify.Verifier, parts int) {
		for range 25 {
			if r := x.verifyParts(v, parts, verify.Options{}); !r.Sound() {
				x.TB.Fatalf("a false alarm: %+v\n%+v", r.Problems, r.Totals)
			}
		}
		x.stop()
		x.working.Wait()
		x.project(x.pending)
		r := x.verifyParts(v, parts, verify.Options{})
		if !r.Sound() || r.Rows < 40 || r.Parked == 0 || r.Checked < 10 {
			x.TB.Errorf("after the traffic: %+v", r)
		}
	})
}

func TestDamageIsFoundUnderLiveTraffic(t *testing.T) {
	t.Parallel()
	underTraffic(t, func(x *traffic, v *verify.Verifier, parts int) {
		x.edit("order-o3", inmemory.Erase)
		x.edit("order-o5", func(c *projection.Change) { c.Data = slices.Replace(slices.Clone(c.Data), 1, 2, '~') })
		x.edit("order-o6", func(c *projection.Change) { c.Version = 9 })
		x.edit("order-nobody", func(c *projection.Change) { c.Version, c.Data = 1, []byte(`{"orderId":"nobody"}`) })
		x.edit("order-o7", func(c *projection.Change) {
			c.Totals = []model.Contribution{{Key: "2026-01-25", Field: "orders", Amount: 1_000_000}}
		})
		r := x.verifyParts(v, parts, verify.Options{})
		if r.Counts[verify.Missing] != 1 || r.Counts[verify.Different] != 1 || r.Counts[verify.Ahead] != 1 || r.Counts[verify.Extra] != 1 || r.Found() != 4 {
			x.TB.Errorf("counts %v: %+v", r.Counts, r.Problems)
		}
		if !slices.ContainsFunc(r.Totals, func(w verify.WrongTotal) bool {
			return w.Key == "2026-01-25" && w.Field == "orders" && w.Stored > 900_000 && w.Folded < 100_000
		}) {
			x.TB.Errorf("totals: %+v", r.Totals)
		}
		fixed := x.verifyParts(v, parts, verify.Options{Fix: true})
		// Data that cannot be read are not healed, nor is what the event store has lost.
		if fixed.Mended() != 2 || fixed.Fixed[verify.Different] != 0 || fixed.Fixed[verify.Ahead] != 0 {
			x.TB.Errorf("fixed %v of %v: %+v", fixed.Fixed, fixed.Counts, fixed.Problems)
		}
	})
}
