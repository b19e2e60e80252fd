package projection_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
	"gakushoku/internal/rehearse/faultport"
	"gakushoku/internal/store/memory"
)

var (
	interleavings = flag.Int("interleavings", 2_000, "random interleavings to run")
	seed          = flag.Uint64("seed", 0, "run this one interleaving only")
)

var table = projection.Table{Projection: readmodel.OrdersName, Version: 1}

// world is one run: streams that grow, deliveries that come late, twice, out of order or
// before their turn, and two projectors that get in each other's way. All chance comes from
// one seed, so a failure can be run again.
type world struct {
	random  *rand.Rand
	events  *memory.Events
	tables  projection.Store
	engines [2]*projection.Projector
	pending []event.Event // appended, still to be delivered
	meddle  bool          // a projector is inside the other's write
}

// mutation changes what the engine stands on, as a mistake in it would.
type mutation struct {
	tables  func(projection.Tables) projection.Tables
	streams func(eventstore.Loader) eventstore.Loader
}

func newWorld(t testing.TB, seed uint64, m mutation) *world {
	t.Helper()
	w := &world{random: rand.New(rand.NewPCG(seed, 1)), events: memory.NewEvents(), tables: memory.NewTables()}
	control := memory.NewControl()
	if err := projection.Ensure(t.Context(), control, w.tables, readmodel.Orders()); err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.UnixMilli(1_769_212_800_000) }
	for i := range w.engines {
		var tables projection.Tables = w.tables
		var streams eventstore.Loader = w.events
		if m.tables != nil {
			tables = m.tables(tables)
		}
		if m.streams != nil {
			streams = m.streams(streams)
		}
		w.engines[i] = &projection.Projector{
			Projections: []model.Projection{readmodel.Orders()},
			Pointers:    &projection.CachedPointers{Source: control, TTL: time.Hour, Now: now},
			Tables:      &meddling{Tables: tables, world: w, other: 1 - i}, Streams: streams, Now: now,
		}
	}
	return w
}

// meddling lets the other projector work between a projector's read and its write, and loses
// some answers of writes that were done.
type meddling struct {
	projection.Tables
	world *world
	other int
}

func (m *meddling) Write(ctx context.Context, t projection.Table, changes []projection.Change) ([]string, error) {
	w := m.world
	if !w.meddle && w.random.IntN(3) == 0 {
		w.meddle = true
		w.deliver(ctx, m.other)
		w.meddle = false
	}
	late, err := m.Tables.Write(ctx, t, changes)
	if err == nil && w.random.IntN(12) == 0 {
		return nil, fault.Unavailable(errors.New("the answer was lost"))
	}
	return late, err
}

// deliver hands a random batch of what is pending to a projector. Some of it stays pending,
// so that it comes again; what failed does too.
func (w *world) deliver(ctx context.Context, engine int) {
	if len(w.pending) == 0 {
		return
	}
	w.random.Shuffle(len(w.pending), func(i, j int) { w.pending[i], w.pending[j] = w.pending[j], w.pending[i] })
	n := 1 + w.random.IntN(min(len(w.pending), 6))
	batch := append([]event.Event(nil), w.pending[:n]...)
	w.pending = w.pending[n:]
	failed := w.engines[engine].Apply(ctx, batch)
	for _, e := range batch {
		if failed[e.Stream] != nil || w.random.IntN(5) == 0 {
			w.pending = append(w.pending, e)
		}
	}
}

// grow appends the next event of a random stream. It may be one that no decider would answer.
func (w *world) grow(t testing.TB) {
	id := fmt.Sprintf("o%d", w.random.IntN(4))
	stream := order.Stream(id)
	history, err := w.events.Load(t.Context(), stream, 0)
	if err != nil {
		t.Fatal(err)
	}
	e := w.nextEvent(t, id, len(history))
	one := []event.Event{e}
	if err := w.events.Append(t.Context(), stream, uint64(len(history)), one); err != nil {
		t.Fatal(err)
	}
	w.pending = append(w.pending, one[0])
}

func (w *world) nextEvent(t testing.TB, id string, at int) event.Event {
	life := []event.Payload{
		order.Placed{OrderID: id, Total: 100 + w.random.Int64N(900)},
		order.Paid{OrderID: id, PaidAt: event.InstantOfMilli(1_769_212_800_000 + w.random.Int64N(200_000_000)), Method: order.MethodCash},
		order.PreparationStarted{OrderID: id}, order.Ready{OrderID: id}, order.PickedUp{OrderID: id},
	}
	p := life[min(at, len(life)-1)]
	switch w.random.IntN(12) {
	case 0:
		p = order.Cancelled{OrderID: id}
	case 1:
		p = life[w.random.IntN(len(life))]
	}
	e, err := event.New(p)
	if err != nil {
		t.Fatal(err)
	}
	if w.random.IntN(20) == 0 {
		e.Schema = 99 // from the future: nothing here can apply it
	}
	e.ID = fmt.Sprintf("%s-%d", id, at+1)
	e.OccurredAt = event.InstantOfMilli(1_769_212_800_000 + w.random.Int64N(200_000_000))
	return e
}

// run plays one world to its end and compares rows and totals with a fold of all events.
func run(t testing.TB, seed uint64, m mutation) string {
	w := newWorld(t, seed, m)
	for range 10 + w.random.IntN(30) {
		if w.random.IntN(2) == 0 {
			w.grow(t)
		} else {
			w.deliver(t.Context(), w.random.IntN(2))
		}
	}
	for range 10_000 {
		if len(w.pending) == 0 {
			return w.compare(t)
		}
		w.deliver(t.Context(), w.random.IntN(2))
	}
	return fmt.Sprintf("%d events were never taken", len(w.pending))
}

// seen is a row as far as it is determined by the events.
type seen struct {
	Version  uint64
	Data     string
	Place    model.Place
	ParkedAt uint64
}

func (w *world) compare(t testing.TB) string {
	want, wantTotals := w.fold(t)
	got := map[string]seen{}
	records, _, err := w.tables.Scan(t.Context(), table, eventstore.All, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		s := seen{Version: r.Version, Data: string(r.Data), Place: r.Place}
		if r.Parked != nil {
			s.ParkedAt = r.Parked.EventVersion
		}
		got[r.Stream] = s
	}
	totals, err := w.tables.Totals(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	return cmp.Diff(want, got) + cmp.Diff(wantTotals, totals)
}

// fold is the truth: each stream folded alone, as simply as can be, without the engine.
func (w *world) fold(t testing.TB) (map[string]seen, map[string]map[string]int64) {
	rows, totals := map[string]seen{}, map[string]map[string]int64{}
	streams, _, err := w.events.Streams(t.Context(), eventstore.All, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, stream := range streams {
		history, err := w.events.Load(t.Context(), stream, 0)
		if err != nil {
			t.Fatal(err)
		}
		var row readmodel.Order
		var s seen
		for i := range history {
			if row.Apply(&history[i]) != nil {
				s.ParkedAt = history[i].Version
				break
			}
			s.Version = history[i].Version
		}
		if s.Version > 0 {
			data, err := json.Marshal(&row)
			if err != nil {
				t.Fatal(err)
			}
			s.Data, s.Place = string(data), row.Place()
		}
		rows[stream] = s
		for _, c := range row.Contributions() {
			if totals[c.Key] == nil {
				totals[c.Key] = map[string]int64{}
			}
			totals[c.Key][c.Field] += c.Amount
		}
	}
	return rows, totals
}

func TestAnyDeliveryEndsInTheFoldOfAllEvents(t *testing.T) {
	if *seed != 0 {
		if diff := run(t, *seed, mutation{}); diff != "" {
			t.Fatalf("seed %d (-fold +table):\n%s", *seed, diff)
		}
		return
	}
	for s := uint64(1); s <= uint64(*interleavings); s++ {
		if diff := run(t, s, mutation{}); diff != "" {
			t.Fatalf("seed %d, run it again with -seed=%d (-fold +table):\n%s", s, s, diff)
		}
	}
}

// deaf never says that a write came too late: nothing is healed after a lost race.
type deaf struct{ projection.Tables }

func (m deaf) Write(ctx context.Context, t projection.Table, changes []projection.Change) ([]string, error) {
	_, err := m.Tables.Write(ctx, t, changes)
	return nil, err
}

// rowsFirst writes rows and their totals in two steps, and the second may be lost.
type rowsFirst struct{ projection.Tables }

func (m rowsFirst) Write(ctx context.Context, t projection.Table, changes []projection.Change) ([]string, error) {
	for i := range changes {
		if len(changes[i].Stream)%2 == 0 && changes[i].Expected > 1 {
			changes[i].Totals = nil
		}
	}
	return m.Tables.Write(ctx, t, changes)
}

// TestThePropertyCatchesMistakes makes each mistake once and expects to be told, so that the
// property above is known to look.
func TestThePropertyCatchesMistakes(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]mutation{
		"rows are written without their condition":         {tables: func(s projection.Tables) projection.Tables { return faultport.Unconditional{Tables: s} }},
		"a lost race is not healed":                        {tables: func(s projection.Tables) projection.Tables { return deaf{s} }},
		"totals only ever grow":                            {tables: func(s projection.Tables) projection.Tables { return faultport.GrowingTotals{Tables: s} }},
		"totals are written apart from their row":          {tables: func(s projection.Tables) projection.Tables { return rowsFirst{s} }},
		"heal reads streams that are not quite up to date": {streams: func(s eventstore.Loader) eventstore.Loader { return faultport.Stale{Loader: s} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for s := uint64(1); s <= 3_000; s++ {
				if run(t, s, m) != "" {
					return
				}
			}
			t.Error("3,000 interleavings and nobody noticed")
		})
	}
}
