package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gakushoku/internal/canteen/checkout"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/stock"
	"gakushoku/internal/edge/payment"
	"gakushoku/internal/edge/payment/ledger"
	"gakushoku/internal/engine/command"
	engine "gakushoku/internal/engine/process"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/streamstate"
	"gakushoku/internal/fault"
	"gakushoku/internal/rehearse/faultport"
	"gakushoku/internal/store/memory"
)

// ShopMutation is a mistake in the protocol of processes. The zero value changes nothing.
type ShopMutation struct {
	Steps    func(*command.Handler, payment.Provider) engine.Performer // what carries out steps
	Provider func(payment.Provider) payment.Provider                   // as a worker calls it
	Rows     func(projection.Tables) projection.Tables                 // as the projector writes them
	Pointers func(projection.Pointers) projection.Pointers             // as workers see them
	Agenda   func(projection.Agenda) projection.Agenda                 // as workers see it
	States   func(streamstate.Store, Loader) streamstate.Store         // as processes see the snapshots of streams
}

const (
	shopDay = "2026-01-24"
	dish    = "curry"
	price   = 420
)

// shop is one run of checkouts: guests who order, pay and cancel, workers that carry out steps, a projector,
// rebuilds of the process's table, an operator, and a provider of payments that keeps a book.
type shop struct {
	s        *scheduler
	mutation ShopMutation
	broken   string

	events  *memory.Events
	tables  *memory.Tables
	control *memory.Control
	book    *ledger.Memory

	cursor     string // of the feed, up to which rows are written
	projecting atomic.Bool
	joined     atomic.Int64 // invocations of the projector that have begun
	working    int
	rebuilding bool
	operating  bool
	orders     atomic.Int64 // placed, or about to be; rebuilds read it beside guests
	most       int
	deeds      int // things that guests still do
	rebuilds   int // still to be started
	portions   int64
	declines   float64
	attempts   int
	pace       time.Duration
	steps      int
	stuck      map[string]int // the decision at which a step became stuck, by stream and version
	actions    []action
}

// RunShop plays the run of one seed of checkouts.
func RunShop(t *testing.T, seed uint64, m ShopMutation, keep bool) Result {
	t.Helper()
	var r Result
	synctest.Test(t, func(t *testing.T) {
		w := newShop(newScheduler(seed, keep), m)
		w.play(t.Context())
		r = Result{w.broken, w.s.history.steps, w.s.history.digest.Sum64(), w.s.history.lines, w.s.counts}
	})
	return r
}

func newShop(s *scheduler, m ShopMutation) *shop {
	r := s.random
	some := func(most float64) float64 { return most * r.Float64() * float64(r.IntN(2)) }
	w := &shop{
		s: s, mutation: m, events: memory.NewEvents(), tables: memory.NewTables(), control: memory.NewControl(), book: &ledger.Memory{},
		most: 1 + r.IntN(4), deeds: 6 + r.IntN(20), rebuilds: r.IntN(3), portions: int64(r.IntN(9)), declines: some(0.5),
		attempts: 2 + r.IntN(4), pace: [...]time.Duration{100 * time.Millisecond, 3 * time.Second, time.Minute}[r.IntN(3)], steps: 200 + r.IntN(500), stuck: map[string]int{},
	}
	s.faults = faults{refuse: some(0.2), loseAnswer: some(0.2), late: some(0.1), crash: some(0.05), half: some(0.05)}
	w.actions = []action{
		{0.5, func() bool { return w.placed() < w.most }, w.placeOne},
		{0.2, func() bool { return w.placed() > 0 && w.deeds > 0 }, w.guestActs},
		{0.5, func() bool { return !w.projecting.Load() && w.unread() }, w.project},
		{0.5, func() bool { return w.working < 3 }, w.work},
		{0.05, func() bool { return w.rebuilds > 0 && !w.rebuilding }, w.rebuild},
		{0.05, func() bool { return !w.operating && len(w.stuck) > 0 }, w.redrive},
		{0.3, func() bool { return true }, w.someTime},
	}
	return w
}

// play runs the busy part, lets everything come to rest without faults, and checks the result.
func (w *shop) play(ctx context.Context) {
	d := checkout.Process().Projection
	if err := projection.Ensure(ctx, w.control, w.tables, d); err != nil {
		w.violated("%v", err)
	}
	kitchen := command.Handler{Streams: w.events, Now: time.Now, NewID: w.s.start("kitchen").newID}
	if _, err := command.Execute(ctx, &kitchen, stock.Rules, command.Request[stock.Command]{
		ID: stock.ID(shopDay, dish), Command: stock.SetPortions{StockID: stock.ID(shopDay, dish), Portions: w.portions},
	}); err != nil {
		w.violated("%v", err)
	}
	for range w.steps {
		w.next()
	}
	w.settle()
	w.check(ctx)
	w.s.end()
}

// next lets one thing happen, unless a promise is broken.
func (w *shop) next() {
	w.s.look()
	if w.broken != "" {
		return
	}
	turns := w.s.turns()
	sum := turns
	for _, a := range w.actions {
		if a.possible() {
			sum += a.weight
		}
	}
	at := w.s.random.Float64() * sum
	if at < turns {
		w.s.release()
		return
	}
	at -= turns
	for _, a := range w.actions {
		if !a.possible() {
			continue
		}
		if at -= a.weight; at < 0 {
			a.do()
			return
		}
	}
}

func (w *shop) violated(format string, args ...any) {
	if w.broken == "" {
		w.broken = fmt.Sprintf(format, args...)
		w.s.history.note("", "BROKEN: %s", w.broken)
	}
}

// someTime lets a moment pass, or so much that deadlines do.
func (w *shop) someTime() {
	limit := w.pace
	if w.s.random.IntN(30) == 0 {
		limit = 20 * time.Minute
	}
	w.s.passTime(time.Duration(1 + w.s.random.Int64N(int64(limit))))
}

// start starts a process. done is called when it has ended, also by a crash.
func (w *shop) start(name string, f func(ctx context.Context, p *process) error, done func(error)) {
	p := w.s.start(fmt.Sprintf("%s-%d", name, w.s.started+1))
	p.speed = [...]float64{1, 1, 1, 0.1, 0.02}[w.s.random.IntN(5)]
	p.chance = rand.New(rand.NewPCG(w.s.random.Uint64(), 0))
	p.run(func(ctx context.Context) error { return f(ctx, p) }, func(err error) {
		w.s.forget(p)
		w.s.history.note(p.name, "ends: %v", err)
		done(err)
	})
}

// stores are the stores as a process sees them.
func (w *shop) commandsOf(p *process) *command.Handler {
	return &command.Handler{
		Streams: faultport.Events{Store: w.events, Gate: p}, Now: time.Now, NewID: p.newID, Retries: withoutChance(command.Retries),
		Cache: &command.Cache{Snapshots: w.statesOf(p), Every: 2},
	}
}

func (w *shop) tablesOf(p *process) projection.Tables {
	return faultport.Tables{Store: w.tables, Gate: p}
}

func (w *shop) pointersOf(p *process) projection.Pointers {
	return faultport.Pointers{Pointers: w.control, Gate: p}
}

// provided is the provider as a process sees it: its answers get lost, and calls arrive late.
type provided struct {
	payment.Provider
	gate faultport.Gate
}

func (s provided) call(ctx context.Context, op string, do func(context.Context) (payment.Receipt, error)) (r payment.Receipt, err error) {
	var refused error
	err = s.gate.Pass(ctx, faultport.Call{Kind: faultport.Writes, Op: op, Do: func(ctx context.Context) error {
		r, refused = do(ctx)
		return nil
	}})
	if err != nil {
		return payment.Receipt{}, fault.Unavailable(err)
	}
	return r, refused
}

func (s provided) Capture(ctx context.Context, key string, yen int64) (payment.Receipt, error) {
	return s.call(ctx, "capture "+key, func(ctx context.Context) (payment.Receipt, error) { return s.Provider.Capture(ctx, key, yen) })
}

func (s provided) Void(ctx context.Context, key string) (payment.Receipt, error) {
	return s.call(ctx, "void "+key, func(ctx context.Context) (payment.Receipt, error) { return s.Provider.Void(ctx, key) })
}

func (s provided) Refund(ctx context.Context, key, refund string, yen int64) (payment.Receipt, error) {
	return s.call(ctx, "refund "+key, func(ctx context.Context) (payment.Receipt, error) {
		return s.Provider.Refund(ctx, key, refund, yen)
	})
}

func (w *shop) providerOf(p *process) payment.Provider {
	l := &ledger.Ledger{Book: w.book, Declines: func(key string, _ int64) string {
		if w.s.random.Float64() < w.declines {
			return "no money"
		}
		return ""
	}}
	var provider payment.Provider = provided{l, p}
	if w.mutation.Provider != nil {
		provider = w.mutation.Provider(provider)
	}
	return provider
}

func orderStream(n int) string { return order.Stream(orderID(n)) }
func orderID(n int) string     { return fmt.Sprintf("o%d", n) }
