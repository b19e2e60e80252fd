package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	steps "gakushoku/internal/app/checkout"
	"gakushoku/internal/canteen/checkout"
	"gakushoku/internal/canteen/menu"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/command"
	engine "gakushoku/internal/engine/process"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/model"
	"gakushoku/internal/rehearse/faultport"
)

// guestDoes has a guest send a command, and often carry out what it led to.
func (w *shop) guestDoes(n int, name string, c order.Command) {
	drives := w.s.random.IntN(2) == 0
	w.start(name, func(ctx context.Context, p *process) error {
		result, err := command.Execute(ctx, w.commandsOf(p), order.Rules, command.Request[order.Command]{ID: orderID(n), Command: c, Key: p.newID()})
		if err != nil || !drives {
			return err
		}
		_, err = w.workerOf(p, true).Drive(ctx, orderStream(n), result.History)
		return err
	}, func(error) {})
}

func (w *shop) placeOne() {
	n := int(w.orders.Add(1)) - 1
	now := event.InstantOf(time.Now())
	w.guestDoes(n, "place", order.PlaceOrder{
		OrderID: orderID(n), Day: shopDay, PayBy: now + checkout.PayWithin,
		Lines: []order.Line{{ProductID: dish, Quantity: 1 + w.s.random.Int64N(2)}},
		Menu:  map[string]menu.Product{dish: {ProductID: dish, Details: menu.Details{NameJa: "カレー", Price: price, Offered: true}}},
	})
}

func (w *shop) guestActs() {
	w.deeds--
	n := w.s.random.IntN(w.placed())
	switch w.s.random.IntN(4) {
	case 0:
		w.guestDoes(n, "cancel", order.CancelOrder{})
	case 1:
		w.guestDoes(n, "pay-cash", order.PayOrder{Method: order.MethodCash, At: event.InstantOf(time.Now())})
	default:
		w.guestDoes(n, "pay-card", order.PayOrder{
			Method: order.MethodCard, ByProvider: true, PaymentID: fmt.Sprintf("pay-%d-%d", n, w.deeds), At: event.InstantOf(time.Now()),
		})
	}
}

// workerOf is a worker in a process of its own.
func (w *shop) workerOf(p *process, inline bool) *engine.Worker {
	var performer engine.Performer = &steps.Performer{Commands: w.commandsOf(p), Payments: w.providerOf(p), Now: time.Now}
	if w.mutation.Steps != nil {
		performer = w.mutation.Steps(w.commandsOf(p), w.providerOf(p))
	}
	var agenda projection.Agenda = noticed{w.tables, w}
	if w.mutation.Agenda != nil {
		agenda = w.mutation.Agenda(agenda)
	}
	pointers := w.pointersOf(p)
	if w.mutation.Pointers != nil {
		pointers = w.mutation.Pointers(pointers)
	}
	return &engine.Worker{
		Ports: engine.Ports{
			Revisions: []model.Process{checkout.Process()}, Streams: faultport.Events{Store: w.events, Gate: p}, Now: time.Now,
			Tables: faultport.Agenda{Agenda: agenda, Gate: p}, Pointers: &projection.CachedPointers{Source: pointers, Now: time.Now},
		},
		Performer: &taking{performer, w, w.s.history.steps, inline}, Attempts: w.attempts, Pause: func(failed int) time.Duration { return time.Duration(failed) * time.Second },
		Shuffle: p.chance.Shuffle, Parallel: 1,
	}
}

// noticed notices which steps become stuck, and which an operator has tried again.
type noticed struct {
	projection.Agenda
	w *shop
}

func stuckKey(stream string, version uint64) string { return fmt.Sprintf("%s@%d", stream, version) }

func (n noticed) SetTried(ctx context.Context, t projection.Table, row projection.Record, tried projection.Tried) (bool, error) {
	set, err := n.Agenda.SetTried(ctx, t, row, tried)
	if set && !tried.Stuck.IsZero() {
		n.w.s.count("stuck")
		n.w.stuck[stuckKey(row.Stream, row.Version)] = n.w.s.history.steps
	}
	return set, err
}

// taking checks that nothing takes up a step that is stuck, except a request and an operator.
type taking struct {
	engine.Performer
	w      *shop
	since  int // the decision at which the worker began
	inline bool
}

func (t *taking) Perform(ctx context.Context, c engine.Call) ([]event.Event, error) {
	w := t.w
	pointer, _ := w.control.Pointer(context.Background(), checkout.Name)
	active, _ := pointer.ActiveVersion()
	row, err := w.tables.Record(context.Background(), pointer.Table(active), c.Stream)
	stuck, ok := w.stuck[stuckKey(c.Stream, c.Version)]
	if err == nil && ok && !t.inline && row.Version == c.Version && row.Task != nil && !row.Task.Stuck.IsZero() && stuck < t.since {
		w.violated("%s of %s@%d was stuck, and is carried out", c.Step, c.Stream, c.Version)
	}
	w.s.count("step " + c.Step)
	return t.Performer.Perform(ctx, c)
}

func (w *shop) work() {
	w.working++
	w.start("worker", func(ctx context.Context, p *process) error {
		_, err := w.workerOf(p, false).RunDue(ctx)
		return err
	}, func(error) { w.working-- })
}

func (w *shop) engineOf(p *process) *projection.Projector {
	rows := w.tablesOf(p)
	if w.mutation.Rows != nil {
		rows = w.mutation.Rows(rows)
	}
	return &projection.Projector{
		Projections: model.Projections{checkout.Process().Projection}, Tables: rows, Streams: faultport.Events{Store: w.events, Gate: p}, Now: time.Now,
		Pointers: &projection.CachedPointers{Source: w.pointersOf(p), Now: time.Now}, Retries: withoutChance(projection.HealRetries),
	}
}

func (w *shop) unread() bool {
	events, _, err := w.events.Read(context.Background(), w.cursor, 1)
	return err == nil && len(events) > 0
}

func (w *shop) project() {
	events, next, err := w.events.Read(context.Background(), w.cursor, 1+w.s.random.IntN(5))
	if err != nil {
		w.violated("%v", err)
	}
	w.projecting.Store(true)
	w.joined.Add(1)
	w.start("projector", func(ctx context.Context, p *process) error { return w.engineOf(p).Apply(ctx, events).Err() }, func(err error) {
		if w.projecting.Store(false); err == nil {
			w.cursor = next
		}
	})
}

func (w *shop) redrive() {
	w.operating = true
	w.start("operator", func(ctx context.Context, p *process) error {
		o := engine.Operator{Ports: w.workerOf(p, false).Ports, Rows: w.tablesOf(p)}
		var errs []error
		err := o.List(ctx, true, func(waiting engine.Waiting) error {
			_, err := o.Redrive(ctx, waiting.Stream)
			errs = append(errs, err)
			return nil
		})
		return errors.Join(append(errs, err)...)
	}, func(error) { w.operating = false })
}

// rebuild fills a new version of the process's table and switches to it, as a rebuild does, in short: what an
// earlier one has left is taken away first.
func (w *shop) rebuild() {
	w.rebuilds--
	w.rebuilding = true
	w.start("rebuild", func(ctx context.Context, p *process) error {
		built, err := w.prepared(ctx, p)
		if err != nil {
			return err
		}
		d, e := checkout.Process().Projection, w.engineOf(p)
		t := projection.Table{Projection: d.Name, Version: built}
		if err := e.Heal(ctx, d, t, w.streams()); err != nil {
			return err
		}
		if err := w.edit(ctx, p, built, func(v *projection.Version) { v.Joined = true }); err != nil {
			return err
		}
		for began := w.joined.Load(); w.projecting.Load() && w.joined.Load() == began; { // it may not know the version
			if err := wait.For(ctx, time.Second); err != nil {
				return err
			}
		}
		if err := e.Heal(ctx, d, t, w.streams()); err != nil {
			return err
		}
		_, err = projection.ChangePointer(ctx, w.pointersOf(p), d.Name, func(p *projection.Pointer) (bool, error) {
			for i := range p.Versions {
				if v := &p.Versions[i]; v.Number == built {
					v.State = projection.Active
				} else if v.State == projection.Active {
					v.State = projection.Previous
				}
			}
			return true, nil
		})
		if err == nil {
			w.s.count("switch")
		}
		return err
	}, func(error) { w.rebuilding = false })
}

// prepared registers a version, and takes versions away that are neither active nor previous.
func (w *shop) prepared(ctx context.Context, p *process) (built int, err error) {
	_, err = projection.ChangePointer(ctx, w.pointersOf(p), checkout.Name, func(p *projection.Pointer) (bool, error) {
		p.Versions = slices.DeleteFunc(p.Versions, func(v projection.Version) bool { return v.State != projection.Active })
		built = p.Next
		p.Next++
		p.Versions = append(p.Versions, projection.Version{Number: built, Revision: checkout.Revision, State: projection.Building})
		return true, nil
	})
	if err == nil {
		err = w.tablesOf(p).Create(ctx, projection.Table{Projection: checkout.Name, Version: built})
	}
	return built, err
}

func (w *shop) edit(ctx context.Context, p *process, number int, edit func(*projection.Version)) error {
	_, err := projection.ChangePointer(ctx, w.pointersOf(p), checkout.Name, func(p *projection.Pointer) (bool, error) {
		for i := range p.Versions {
			if p.Versions[i].Number == number {
				edit(&p.Versions[i])
			}
		}
		return true, nil
	})
	return err
}

func (w *shop) placed() int { return int(w.orders.Load()) }

func (w *shop) streams() []string {
	all := make([]string, w.placed())
	for n := range all {
		all[n] = orderStream(n)
	}
	return all
}
