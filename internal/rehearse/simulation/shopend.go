package simulation

import (
	"context"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/canteen/checkout"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/stock"
	"gakushoku/internal/edge/payment"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
)

// rounds bounds how often workers look until every order has ended.
const rounds = 120

// settle lets everything go on without faults until every order has ended, or nothing more happens.
func (w *shop) settle() {
	w.s.faults = faults{}
	for range rounds {
		if w.broken != "" || w.ended() {
			break
		}
		if !w.projecting.Load() && w.unread() {
			w.project()
		}
		if w.working == 0 {
			w.work()
		}
		if !w.operating {
			w.redrive()
		}
		w.releaseAll()
		w.s.passTime(time.Minute)
	}
	for w.broken == "" && (w.projecting.Load() || w.unread()) {
		if !w.projecting.Load() {
			w.project()
		}
		w.releaseAll()
	}
	w.releaseAll()
}

// releaseAll lets all calls through until none comes any more.
func (w *shop) releaseAll() {
	for len(w.s.look()) > 0 && w.broken == "" {
		w.s.release()
	}
}

// ended reports whether every order is at an end of its checkout.
func (w *shop) ended() bool {
	for n := range w.placed() {
		s := w.order(n)
		if s.Exists() && s.Checkout != order.CheckoutConfirmed && s.Checkout != order.CheckoutReleased {
			return false
		}
	}
	return len(w.s.look()) == 0 && !w.rebuilding
}

func (w *shop) order(n int) order.State { return folded2(w, orderStream(n), order.Evolve) }

// folded2 folds a stream as the event store has it.
func folded2[S any](w *shop, stream string, evolve func(S, *event.Event) (S, error)) (state S) {
	history, err := w.events.Load(context.Background(), stream, 0)
	for i := range history {
		if err == nil {
			state, err = evolve(state, &history[i])
		}
	}
	if err != nil {
		w.violated("%s: %v", stream, err)
	}
	return state
}

// check checks the promises at the end.
func (w *shop) check(ctx context.Context) {
	if w.broken != "" {
		return
	}
	var paid, captured, sold int64
	for n := range w.placed() {
		s := w.order(n)
		switch {
		case !s.Exists():
		case s.Checkout == order.CheckoutConfirmed:
			sold += s.Total / price
			if s.PaymentID != "" {
				paid += s.Total
			}
			w.s.count("sold")
		case s.Checkout == order.CheckoutReleased:
			w.s.count("released")
		default:
			w.violated("order %s ends between states: %s, %s", s.OrderID, s.Status, s.Checkout)
		}
	}
	err := w.book.Each(ctx, func(r payment.Receipt) error {
		captured += r.Captured() - r.Refunded()
		if r.Refunded() > 0 {
			w.s.count("refunded")
		}
		return nil
	})
	if err != nil || captured != paid {
		w.violated("orders by card are paid for %d yen, the provider has %d: %v", paid, captured, err)
	}
	shelf := folded2(w, stock.Stream(shopDay, dish), stock.Evolve)
	if shelf.Reserved != 0 || shelf.Sold != sold || shelf.Free() < 0 || shelf.Portions != w.portions {
		w.violated("of %d portions %d are reserved, %d sold, %d free; orders have bought %d", w.portions, shelf.Reserved, shelf.Sold, shelf.Free(), sold)
	}
	w.checkTables(ctx)
}

// checkTables compares the rows and their tasks with the folds of the events.
func (w *shop) checkTables(ctx context.Context) {
	pointer, err := w.control.Pointer(ctx, checkout.Name)
	if err != nil {
		w.violated("%v", err)
	}
	d := checkout.Process().Projection
	for _, v := range pointer.Versions {
		if !v.Live() || v.State == projection.Building {
			continue
		}
		rows, err := w.tables.Records(ctx, pointer.Table(v), w.streams())
		for _, stream := range w.streams() {
			history, loadErr := w.events.Load(ctx, stream, 0)
			if err != nil || loadErr != nil {
				w.violated("%v %v", err, loadErr)
			}
			fold := projection.FoldHistory(d, history, 1).Record(stream, 0)
			row := rows[stream]
			if len(history) > 0 && (row.Version != fold.Version || !row.Task.Same(fold.Task) || !cmp.Equal(row.Data, fold.Data)) {
				w.violated("%s of %s is at version %d of %d, and waits for %+v instead of %+v", stream, pointer.Table(v), row.Version, fold.Version, row.Task, fold.Task)
			}
		}
	}
}
