package order_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/event"
)

func evolved(t *testing.T, s order.State, p event.Payload) (order.State, error) {
	t.Helper()
	e, err := event.New(p)
	if err != nil {
		t.Fatal(err)
	}
	return order.Evolve(s, &e)
}

// TestEveryEventAtEveryStatus is the whole state machine of Evolve: what each event needs to
// find, and what it leaves.
func TestEveryEventAtEveryStatus(t *testing.T) {
	t.Parallel()
	all := []order.Status{"", order.StatusOrdered, order.StatusPaid, order.StatusPreparing, order.StatusReady, order.StatusPickedUp, order.StatusCancelled}
	for _, c := range []struct {
		payload event.Payload
		from    []order.Status
		to      order.Status
	}{
		{order.Placed{OrderID: "o1", Total: 780}, all[:1], order.StatusOrdered},
		{order.Paid{OrderID: "o1", Method: order.MethodCash}, []order.Status{order.StatusOrdered}, order.StatusPaid},
		{order.PreparationStarted{OrderID: "o1"}, []order.Status{order.StatusPaid}, order.StatusPreparing},
		{order.Ready{OrderID: "o1"}, []order.Status{order.StatusPreparing}, order.StatusReady},
		{order.PickedUp{OrderID: "o1"}, []order.Status{order.StatusReady}, order.StatusPickedUp},
		{order.Cancelled{OrderID: "o1"}, []order.Status{order.StatusOrdered, order.StatusPaid}, order.StatusCancelled},
		{order.Refunded{OrderID: "o1", Amount: 780, Method: order.MethodCard}, []order.Status{order.StatusCancelled}, order.StatusCancelled},
	} {
		for _, status := range all {
			t.Run(c.payload.EventType()+" at "+string(status), func(t *testing.T) {
				t.Parallel()
				before := state(status)
				got, err := evolved(t, before, c.payload)
				if !slices.Contains(c.from, status) {
					if err == nil || got != before {
						t.Errorf("got %+v, %v; want the state as it was, and an error", got, err)
					}
					return
				}
				want := before
				want.Status = c.to
				switch p := c.payload.(type) {
				case order.Placed:
					want.OrderID, want.Total = p.OrderID, p.Total
				case order.Paid:
					want.Method = p.Method
				}
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Errorf("%v (-want +got):\n%s", err, diff)
				}
			})
		}
	}
}

func TestAnEventThatCannotBeReadIsNotFolded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status order.Status
		e      event.Event
	}{
		"placed":     {"", event.Event{Type: order.PlacedType, Schema: 2, Payload: []byte(`{"orderId":1}`)}},
		"paid":       {order.StatusOrdered, event.Event{Type: order.PaidType, Schema: 2, Payload: []byte(`{"method":1}`)}},
		"of no type": {order.StatusOrdered, event.Event{Type: "OrderEaten", Schema: 1, Payload: []byte(`{}`)}},
	} {
		before := state(c.status)
		got, err := order.Evolve(before, &c.e)
		if err == nil || got != before || (c.e.Type == "OrderEaten") != errors.Is(err, event.ErrUnknownType) {
			t.Errorf("%s: got %+v, %v; want the state as it was, and an error", name, got, err)
		}
	}
}

func TestTheBoundsOfAnOrderBelongToIt(t *testing.T) {
	t.Parallel()
	lines := func(n int, l order.Line) []order.Line { return slices.Repeat([]order.Line{l}, n) }
	one := order.Line{Product: "x", Quantity: 1, UnitPrice: 1}
	for _, c := range []struct {
		name     string
		in, over order.PlaceOrder
		code     string
	}{
		{"total", order.PlaceOrder{OrderID: "o", Total: yen(1)}, order.PlaceOrder{OrderID: "o", Total: yen(0)}, order.CodeInvalidAmount},
		{"lines", order.PlaceOrder{OrderID: "o", Lines: lines(order.MaxLines, one)}, order.PlaceOrder{OrderID: "o", Lines: lines(order.MaxLines+1, one)}, order.CodeInvalidLines},
		{
			"quantity", order.PlaceOrder{OrderID: "o", Lines: lines(1, order.Line{Product: "x", Quantity: order.MaxQuantity, UnitPrice: 1})},
			order.PlaceOrder{OrderID: "o", Lines: lines(1, order.Line{Product: "x", Quantity: order.MaxQuantity + 1, UnitPrice: 1})}, order.CodeInvalidLines,
		},
		{"least quantity", order.PlaceOrder{OrderID: "o", Lines: lines(1, one)}, order.PlaceOrder{OrderID: "o", Lines: lines(1, order.Line{Product: "x", Quantity: -1, UnitPrice: 1})}, order.CodeInvalidLines},
		{
			"price", order.PlaceOrder{OrderID: "o", Lines: lines(1, order.Line{Product: "x", Quantity: 1, UnitPrice: order.MaxTotal})},
			order.PlaceOrder{OrderID: "o", Lines: lines(2, order.Line{Product: "x", Quantity: 1, UnitPrice: order.MaxTotal})}, order.CodeInvalidAmount,
		},
		{
			"product", order.PlaceOrder{OrderID: "o", Lines: lines(1, order.Line{Product: strings.Repeat("x", order.MaxTextBytes), Quantity: 1, UnitPrice: 1})},
			order.PlaceOrder{OrderID: "o", Lines: lines(1, order.Line{Product: strings.Repeat("x", order.MaxTextBytes+1), Quantity: 1, UnitPrice: 1})}, order.CodeInvalidLines,
		},
		{"product's bytes", order.PlaceOrder{OrderID: "o", Lines: lines(1, order.Line{Product: "学食", Quantity: 1, UnitPrice: 1})}, order.PlaceOrder{OrderID: "o", Lines: lines(1, order.Line{Product: "\xff", Quantity: 1, UnitPrice: 1})}, order.CodeInvalidLines},
		{"id", order.PlaceOrder{OrderID: strings.Repeat("x", order.MaxIDBytes), Total: yen(1)}, order.PlaceOrder{OrderID: strings.Repeat("x", order.MaxIDBytes+1), Total: yen(1)}, order.CodeInvalidID},
		{"lines' total", order.PlaceOrder{OrderID: "o", Lines: lines(2, one), Total: yen(2)}, order.PlaceOrder{OrderID: "o", Lines: lines(2, one), Total: yen(math.MaxInt64)}, order.CodeTotalMismatch},
	} {
		if got := outcome(order.Decide(order.State{}, c.in)); got != order.PlacedType {
			t.Errorf("%s at its bound: %s", c.name, got)
		}
		if got := outcome(order.Decide(order.State{}, c.over)); got != c.code {
			t.Errorf("%s beyond its bound: %s, want %s", c.name, got, c.code)
		}
	}
}

func TestAReasonIsTextOrLeftOut(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]string{
		"": order.CancelledType, "sold out": order.CancelledType, strings.Repeat("x", order.MaxTextBytes): order.CancelledType,
		strings.Repeat("x", order.MaxTextBytes+1): order.CodeInvalidReason, "a\x00b": order.CodeInvalidReason,
	} {
		if got := outcome(order.Decide(state(order.StatusOrdered), order.CancelOrder{Reason: reason})); got != want {
			t.Errorf("%.20q: got %s, want %s", reason, got, want)
		}
	}
}

func TestARefusalOfALineNamesIt(t *testing.T) {
	t.Parallel()
	good := order.Line{Product: "x", Quantity: 1, UnitPrice: 1}
	for name, bad := range map[string]order.Line{"product": {Quantity: 1, UnitPrice: 1}, "quantity": {Product: "x", UnitPrice: 1}, "unitPrice": {Product: "x", Quantity: 1}} {
		_, err := order.Decide(order.State{}, order.PlaceOrder{OrderID: "o1", Lines: []order.Line{good, bad, good}})
		if err == nil || !strings.Contains(err.Error(), "line 2: "+name) {
			t.Errorf("got %v, want that the %s of line 2 is refused", err, name)
		}
	}
	if _, err := order.Decide(order.State{}, order.PlaceOrder{OrderID: "o1", Lines: []order.Line{good, {Product: "x", Quantity: 1, UnitPrice: -1}, {Product: "x", Quantity: 1, UnitPrice: 2}}}); err == nil {
		t.Error("a line is given back money for")
	}
}

func TestRefusalsAreTheSameByTheirCode(t *testing.T) {
	t.Parallel()
	refusal := &order.Error{Code: order.CodeNotPaid, Detail: "pay first"}
	if !errors.Is(refusal, &order.Error{Code: order.CodeNotPaid}) || errors.Is(refusal, &order.Error{Code: order.CodeNotReady}) || errors.Is(refusal, event.ErrUnknownType) {
		t.Error("refusals are told apart by something else than their codes")
	}
}
