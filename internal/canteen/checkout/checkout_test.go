package checkout_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gakushoku/internal/canteen/checkout"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/stock"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

const (
	today = "2026-11-30"
	noon  = event.Instant(1_796_094_000_000)
	payBy = noon + checkout.PayWithin
)

// world is one order with everything that its checkout asks: the stock of a product, and a provider of
// payments that keeps books.
type world struct {
	t      *rapid.T
	now    event.Instant
	stream []event.Event
	state  order.State
	row    checkout.Row
	shelf  stock.State
	books  map[string]string // by payment: captured, voided, refunded
	paid   int               // payments that were requested
	stale  []checkout.Row    // rows that slow workers hold
}

func newWorld(t *rapid.T) *world {
	w := &world{t: t, now: noon, books: map[string]string{}}
	if rapid.Bool().Draw(t, "limited") {
		w.sell(stock.SetPortions{StockID: stock.ID(today, "curry"), Portions: rapid.Int64Range(0, 4).Draw(t, "portions")})
	}
	line := func(n int64) order.Line {
		return order.Line{Product: "カレー", ProductID: "curry", UnitPrice: 420, Quantity: n}
	}
	w.do(order.PlaceOrder{OrderID: "o1", Lines: []order.Line{line(1), line(2)}, Day: today, PayBy: payBy})
	return w
}

// do executes a command on the order and returns its refusal.
func (w *world) do(c order.Command) error {
	payloads, err := order.Decide(w.state, c)
	if err != nil {
		return err
	}
	for _, p := range payloads {
		e := made(w.t, p, "order-o1", len(w.stream)+1, w.now)
		if w.state, err = order.Evolve(w.state, &e); err != nil {
			w.t.Fatal(err)
		}
		if err := w.row.Apply(&e); err != nil {
			w.t.Fatal(err)
		}
		w.stream = append(w.stream, e)
	}
	return nil
}

// sell executes a command on the stock and returns its refusal.
func (w *world) sell(c stock.Command) error {
	payloads, err := stock.Decide(w.shelf, c)
	if err != nil {
		return err
	}
	for _, p := range payloads {
		e := made(w.t, p, stock.Stream(today, "curry"), 1, w.now)
		if w.shelf, err = stock.Evolve(w.shelf, &e); err != nil {
			w.t.Fatal(err)
		}
	}
	return nil
}

func made(t *rapid.T, p event.Payload, stream string, version int, at event.Instant) event.Event {
	e, err := event.New(p)
	if err != nil {
		t.Fatal(err)
	}
	e.ID, e.Stream, e.Version, e.OccurredAt, e.Actor = fmt.Sprint("e", version), stream, uint64(version), at, "guest-7"
	if err := event.Check(&e); err != nil {
		t.Fatal(err)
	}
	return e
}

// perform carries out what a row waits for, as a worker does, and records the outcome.
func (w *world) perform(row checkout.Row) {
	task, ok := row.Next()
	if !ok || task.Due > w.now {
		return
	}
	id := stock.ID(today, "curry")
	switch task.Step {
	case checkout.StepReserve:
		w.record(order.RecordReserved{}, w.sell(stock.Reserve{StockID: id, OrderID: "o1", Quantity: row.Items[0].Quantity}))
	case checkout.StepExpire:
		w.recorded(w.do(order.ExpireOrder{At: w.now}))
	case checkout.StepConfirm:
		w.record(order.RecordConfirmed{}, w.sell(stock.Sell{StockID: id, OrderID: "o1"}))
	case checkout.StepRelease:
		w.record(order.RecordReleased{}, w.sell(stock.Release{StockID: id, OrderID: "o1"}))
	case checkout.StepCapture:
		w.capture(row.PaymentID)
	case checkout.StepVoid:
		w.void(row.PaymentID)
	case checkout.StepRefund:
		if w.books[row.PaymentID] == "captured" {
			w.books[row.PaymentID] = "refunded"
		}
		w.recorded(w.do(order.RecordRefund{PaymentID: row.PaymentID}))
	default:
		w.t.Fatalf("there is no step %q", task.Step)
	}
}

// record records that a step succeeded, or that it was refused.
func (w *world) record(c order.Command, refused error) {
	var code *order.Error
	if errors.As(refused, &code) {
		c = order.RecordRejected{Code: code.Code, ProductID: "curry"}
	}
	w.recorded(w.do(c))
}

// recorded accepts that the order does not wait for an outcome any more, and nothing else.
func (w *world) recorded(err error) {
	if err != nil && !errors.Is(err, &order.Error{Code: order.CodeNotAwaited}) {
		w.t.Fatal(err)
	}
}

// capture may decline what another worker captures meanwhile: the provider answers each as it likes.
func (w *world) capture(id string) {
	switch w.books[id] {
	case "":
		if rapid.Bool().Draw(w.t, "declined") {
			w.recorded(w.do(order.RecordDecline{PaymentID: id, Reason: "insufficient-funds"}))
			return
		}
		w.books[id] = "captured"
	case "voided":
		w.recorded(w.do(order.RecordDecline{PaymentID: id, Reason: "voided"}))
		return
	}
	if rapid.Bool().Draw(w.t, "lost") {
		return
	}
	w.recorded(w.do(order.RecordPayment{PaymentID: id, At: w.now}))
}

func (w *world) void(id string) {
	if was := w.books[id]; was == "captured" || was == "refunded" {
		w.recorded(w.do(order.RecordPayment{PaymentID: id, At: w.now}))
		return
	}
	w.books[id] = "voided"
	w.recorded(w.do(order.RecordVoid{PaymentID: id}))
}

// step does something at random that may happen to an order on the way.
func (w *world) step() {
	switch rapid.SampledFrom([]string{"work", "work", "work", "hold", "stale", "cash", "card", "cancel", "wait", "cook"}).Draw(w.t, "step") {
	case "work":
		w.perform(w.row)
	case "hold":
		w.stale = append(w.stale, w.row)
	case "stale":
		if len(w.stale) > 0 {
			w.perform(rapid.SampledFrom(w.stale).Draw(w.t, "row"))
		}
	case "cash":
		_ = w.do(order.PayOrder{Method: order.MethodCash, At: w.now})
	case "card":
		w.paid++
		_ = w.do(order.PayOrder{Method: order.MethodCard, At: w.now, ByProvider: true, PaymentID: fmt.Sprint("p", w.paid)})
	case "cancel":
		_ = w.do(order.CancelOrder{Reason: "hungry no more"})
	case "wait":
		w.now += checkout.PayWithin / 2
	case "cook":
		_ = w.do(order.StartPreparing{})
	}
}

// TestEveryCheckoutEnds: from wherever an order is, doing what its row waits for brings it to an end, with
// money, portions and the order telling the same, and what was done undone in reverse.
func TestEveryCheckoutEnds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			w.step()
		}
		for tries := 0; ; tries++ {
			task, ok := w.row.Next()
			if !ok {
				break
			}
			if tries > 40 {
				t.Fatalf("still at %s after %d steps: %s", w.row.Checkout, tries, types(w.stream))
			}
			w.now = max(w.now, task.Due)
			w.perform(w.row)
		}
		for _, row := range w.stale {
			w.perform(row) // however late a worker is, it changes nothing
		}
		w.wantEnded()
	})
}

func (w *world) wantEnded() {
	held, money := w.shelf.Orders.Of("o1"), 0
	for _, state := range w.books {
		if state == "captured" {
			money++
		}
	}
	sold := w.row.Checkout == order.CheckoutConfirmed
	paidByCard := sold && w.row.PaymentID != ""
	switch {
	case !sold && w.row.Checkout != order.CheckoutReleased:
		w.t.Fatalf("it ended between states, at %s", w.row.Checkout)
	case sold != (held.Phase == stock.PhaseSold), !sold && held.Phase != stock.PhaseReleased:
		w.t.Fatalf("at %s the stock has %+v", w.row.Checkout, held)
	case paidByCard != (money == 1), money > 1:
		w.t.Fatalf("at %s the provider has %v", w.row.Checkout, w.books)
	case w.shelf.Limited && w.shelf.Free() < 0:
		w.t.Fatalf("%d portions are free", w.shelf.Free())
	case w.row.State != w.state:
		w.t.Fatalf("the row tells another story:\n%s", cmp.Diff(w.state, w.row.State))
	}
	all := types(w.stream)
	released, refunded := slices.Index(all, order.ReleasedType), slices.Index(all, order.RefundedType)
	if released >= 0 && released != len(all)-1 || refunded > released && refunded >= 0 {
		w.t.Fatalf("undone in another sequence than in reverse: %s", all)
	}
}

func types(stream []event.Event) []string {
	var all []string
	for i := range stream {
		all = append(all, stream[i].Type)
	}
	return all
}

func TestEachStateWaitsForItsStep(t *testing.T) {
	t.Parallel()
	for at, want := range map[order.Checkout]model.Task{
		order.CheckoutNone: {}, order.CheckoutConfirmed: {}, order.CheckoutReleased: {},
		order.CheckoutReserving: {Step: "reserve", Due: noon}, order.CheckoutReserved: {Step: "expire", Due: payBy},
		order.CheckoutPaying: {Step: "capture", Due: noon}, order.CheckoutConfirming: {Step: "confirm", Due: noon},
		order.CheckoutDeclined: {Step: "void", Due: noon, Undo: true}, order.CheckoutVoiding: {Step: "void", Due: noon, Undo: true},
		order.CheckoutRefunding: {Step: "refund", Due: noon, Undo: true}, order.CheckoutReleasing: {Step: "release", Due: noon, Undo: true},
	} {
		row := checkout.Row{State: order.State{Checkout: at, PayBy: payBy}, ChangedAt: noon}
		got, ok := row.Next()
		if ok != (want.Step != "") || ok && got != want {
			t.Errorf("%s waits for %+v, %t; want %+v", at, got, ok, want)
		}
		if ok && !slices.Contains(checkout.Process().Steps, got.Step) {
			t.Errorf("step %s is not one of the process's", got.Step)
		}
	}
}

func TestAnOrderWithoutACheckoutHasAnEmptyRow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var row checkout.Row
		for i, p := range []event.Payload{
			order.Paid{OrderID: "o1", Method: order.MethodCash}, order.Placed{OrderID: "o1", Total: 780},
			order.Paid{OrderID: "o1", Method: order.MethodCash}, order.Cancelled{OrderID: "o1"},
		} {
			e := made(t, p, "order-o1", i+1, noon)
			if err := row.Apply(&e); err != nil || cmp.Diff(checkout.Row{}, row) != "" {
				t.Fatalf("%s: %v, %+v", e.Type, err, row)
			}
		}
		if _, waits := row.Next(); waits || row.Place() != (model.Place{}) {
			t.Error("it waits for something, or is listed")
		}
	})
}
