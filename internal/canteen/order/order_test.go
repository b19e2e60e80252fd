package order_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/event"
)

func state(status order.Status) order.State {
	s := order.State{OrderID: "o1", Status: status, Total: 780, Method: order.MethodCard}
	if status == "" {
		return order.State{}
	}
	return s
}

var steps = map[string]order.Command{
	"place":   order.PlaceOrder{OrderID: "o1", Total: yen(780)},
	"pay":     order.PayOrder{Method: order.MethodCard},
	"cancel":  order.CancelOrder{},
	"prepare": order.StartPreparing{},
	"ready":   order.MarkReady{},
	"pickup":  order.PickUp{},
}

func yen(n int64) *int64 { return &n }

// TestEveryStepFromEveryState is the whole state machine: a code where the rules refuse, the
// types of the events where they agree.
func TestEveryStepFromEveryState(t *testing.T) {
	t.Parallel()
	for status, wants := range map[order.Status]map[string]string{
		"": {
			"place": order.PlacedType, "pay": order.CodeNotFound, "cancel": order.CodeNotFound,
			"prepare": order.CodeNotFound, "ready": order.CodeNotFound, "pickup": order.CodeNotFound,
		},
		order.StatusOrdered: {
			"place": order.CodeAlreadyExists, "pay": order.PaidType, "cancel": order.CancelledType,
			"prepare": order.CodeNotPaid, "ready": order.CodeNotPreparing, "pickup": order.CodeNotReady,
		},
		order.StatusPaid: {
			"place": order.CodeAlreadyExists, "pay": order.CodeAlreadyPaid, "cancel": order.CancelledType + "," + order.RefundedType,
			"prepare": order.PreparationStartedType, "ready": order.CodeNotPreparing, "pickup": order.CodeNotReady,
		},
		order.StatusPreparing: {
			"place": order.CodeAlreadyExists, "pay": order.CodeAlreadyPaid, "cancel": order.CodeTooLateToCancel,
			"prepare": order.CodeAlreadyPreparing, "ready": order.ReadyType, "pickup": order.CodeNotReady,
		},
		order.StatusReady: {
			"place": order.CodeAlreadyExists, "pay": order.CodeAlreadyPaid, "cancel": order.CodeTooLateToCancel,
			"prepare": order.CodeAlreadyPreparing, "ready": order.CodeAlreadyReady, "pickup": order.PickedUpType,
		},
		order.StatusPickedUp: {
			"place": order.CodeAlreadyExists, "pay": order.CodeAlreadyPaid, "cancel": order.CodeAlreadyPickedUp,
			"prepare": order.CodeAlreadyPreparing, "ready": order.CodeAlreadyReady, "pickup": order.CodeAlreadyPickedUp,
		},
		order.StatusCancelled: {
			"place": order.CodeAlreadyExists, "pay": order.CodeAlreadyCancelled, "cancel": order.CodeAlreadyCancelled,
			"prepare": order.CodeAlreadyCancelled, "ready": order.CodeAlreadyCancelled, "pickup": order.CodeAlreadyCancelled,
		},
	} {
		for step, want := range wants {
			t.Run(string(status)+" "+step, func(t *testing.T) {
				t.Parallel()
				if got := outcome(order.Decide(state(status), steps[step])); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			})
		}
	}
}

// outcome is the code of a refusal, or the types of the events.
func outcome(payloads []event.Payload, err error) string {
	var refused *order.Error
	if errors.As(err, &refused) {
		return refused.Code
	}
	var types []string
	for _, p := range payloads {
		types = append(types, p.EventType())
	}
	return strings.Join(types, ",")
}

func TestPlacingChecksWhatComesIn(t *testing.T) {
	t.Parallel()
	curry := order.Line{Product: "curry", Quantity: 2, UnitPrice: 390}
	for name, tc := range map[string]struct {
		command order.PlaceOrder
		want    string
	}{
		"just a total":               {order.PlaceOrder{OrderID: "o1", Total: yen(780)}, order.PlacedType},
		"lines give the total":       {order.PlaceOrder{OrderID: "o1", Lines: []order.Line{curry}}, order.PlacedType},
		"lines and their total":      {order.PlaceOrder{OrderID: "学食-🍙", Lines: []order.Line{curry}, Total: yen(780)}, order.PlacedType},
		"the largest total":          {order.PlaceOrder{OrderID: "o1", Total: yen(order.MaxTotal)}, order.PlacedType},
		"neither lines nor total":    {order.PlaceOrder{OrderID: "o1"}, order.CodeInvalidLines},
		"a total beside the lines":   {order.PlaceOrder{OrderID: "o1", Lines: []order.Line{curry}, Total: yen(781)}, order.CodeTotalMismatch},
		"a negative total":           {order.PlaceOrder{OrderID: "o1", Total: yen(-1)}, order.CodeInvalidAmount},
		"a zero total":               {order.PlaceOrder{OrderID: "o1", Total: yen(0)}, order.CodeInvalidAmount},
		"an absurd total":            {order.PlaceOrder{OrderID: "o1", Total: yen(order.MaxTotal + 1)}, order.CodeInvalidAmount},
		"the smallest integer":       {order.PlaceOrder{OrderID: "o1", Total: yen(math.MinInt64)}, order.CodeInvalidAmount},
		"a product that overflows":   {order.PlaceOrder{OrderID: "o1", Lines: []order.Line{{Product: "x", Quantity: math.MaxInt64, UnitPrice: 2}}}, order.CodeInvalidLines},
		"a price that overflows":     {order.PlaceOrder{OrderID: "o1", Lines: []order.Line{{Product: "x", Quantity: 2, UnitPrice: math.MaxInt64}}}, order.CodeInvalidAmount},
		"lines that sum to too much": {order.PlaceOrder{OrderID: "o1", Lines: []order.Line{{Product: "x", Quantity: 1000, UnitPrice: 1001}}}, order.CodeInvalidAmount},
		"a line without a product":   {order.PlaceOrder{OrderID: "o1", Lines: []order.Line{{Quantity: 1, UnitPrice: 1}}}, order.CodeInvalidLines},
		"a line of nothing":          {order.PlaceOrder{OrderID: "o1", Lines: []order.Line{{Product: "x", UnitPrice: 1}}}, order.CodeInvalidLines},
		"a free line":                {order.PlaceOrder{OrderID: "o1", Lines: []order.Line{{Product: "x", Quantity: 1}}}, order.CodeInvalidAmount},
		"too many lines":             {order.PlaceOrder{OrderID: "o1", Lines: make([]order.Line, order.MaxLines+1)}, order.CodeInvalidLines},
		"a product with a newline":   {order.PlaceOrder{OrderID: "o1", Lines: []order.Line{{Product: "a\nb", Quantity: 1, UnitPrice: 1}}}, order.CodeInvalidLines},
		"no id":                      {order.PlaceOrder{Total: yen(1)}, order.CodeInvalidID},
		"an id with a slash":         {order.PlaceOrder{OrderID: "a/b", Total: yen(1)}, order.CodeInvalidID},
		"an id with a space":         {order.PlaceOrder{OrderID: "a b", Total: yen(1)}, order.CodeInvalidID},
		"an id that is too long":     {order.PlaceOrder{OrderID: strings.Repeat("x", order.MaxIDBytes+1), Total: yen(1)}, order.CodeInvalidID},
		"an id that is not UTF-8":    {order.PlaceOrder{OrderID: "\xff", Total: yen(1)}, order.CodeInvalidID},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := outcome(order.Decide(order.State{}, tc.command)); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestPayingNeedsAMethod(t *testing.T) {
	t.Parallel()
	for _, method := range []order.PaymentMethod{"", "card", order.MethodUnknown, "BITCOIN"} {
		if got := outcome(order.Decide(state(order.StatusOrdered), order.PayOrder{Method: method})); got != order.CodeInvalidMethod {
			t.Errorf("%q: got %s", method, got)
		}
	}
}

func TestARefundGivesBackWhatWasPaid(t *testing.T) {
	t.Parallel()
	payloads, err := order.Decide(state(order.StatusPaid), order.CancelOrder{Reason: "sold out"})
	want := []event.Payload{
		order.Cancelled{OrderID: "o1", Said: "sold out"},
		order.Refunded{OrderID: "o1", Amount: 780, Method: order.MethodCard},
	}
	if diff := cmp.Diff(want, payloads); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestWhatIsDecidedCanBeEvolved: whatever commands come, the events that Decide answers can be
// folded, and a refusal leaves nothing.
func TestWhatIsDecidedCanBeEvolved(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s order.State
		commands := rapid.SliceOf(rapid.SampledFrom([]string{"place", "pay", "cancel", "prepare", "ready", "pickup"})).Draw(t, "commands")
		for _, name := range commands {
			payloads, err := order.Decide(s, steps[name])
			if (err == nil) != (len(payloads) > 0) {
				t.Fatalf("%s: %d events and %v", name, len(payloads), err)
			}
			for _, p := range payloads {
				e, err := event.New(p)
				if err != nil {
					t.Fatal(err)
				}
				if s, err = order.Evolve(s, &e); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
		}
	})
}

func TestEvolveRefusesWhatCannotFollow(t *testing.T) {
	t.Parallel()
	for _, p := range []event.Payload{
		order.Paid{OrderID: "o1", Method: order.MethodCash},
		order.Ready{OrderID: "o1"}, order.PickedUp{OrderID: "o1"}, order.Refunded{OrderID: "o1", Amount: 1},
	} {
		e, err := event.New(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := order.Evolve(order.State{}, &e); err == nil {
			t.Errorf("%s as the first event of an order: no error", e.Type)
		}
	}
}
