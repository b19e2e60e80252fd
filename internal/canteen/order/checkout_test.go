package order_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/canteen/menu"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/stock"
	"gakushoku/internal/event"
)

const payBy = event.Instant(1_796_094_900_000)

// at is an order of the menu whose checkout is at a place.
func at(status order.Status, checkout order.Checkout) order.State {
	s := order.State{OrderID: "o1", Status: status, Checkout: checkout, Total: 840, Day: "2026-11-30", PayBy: payBy}
	switch checkout {
	case order.CheckoutPaying, order.CheckoutDeclined, order.CheckoutVoiding, order.CheckoutRefunding:
		s.PaymentID, s.Method = "p1", order.MethodCard
	}
	return s
}

var places = []order.State{
	at(order.StatusOrdered, order.CheckoutReserving), at(order.StatusOrdered, order.CheckoutReserved), at(order.StatusOrdered, order.CheckoutPaying),
	at(order.StatusOrdered, order.CheckoutDeclined), at(order.StatusPaid, order.CheckoutConfirming), at(order.StatusPaid, order.CheckoutConfirmed),
	at(order.StatusPreparing, order.CheckoutConfirmed), at(order.StatusCancelled, order.CheckoutVoiding), at(order.StatusCancelled, order.CheckoutRefunding),
	at(order.StatusCancelled, order.CheckoutReleasing), at(order.StatusCancelled, order.CheckoutReleased),
	at(order.StatusRejected, order.CheckoutRefunding), at(order.StatusRejected, order.CheckoutReleasing), at(order.StatusRejected, order.CheckoutReleased),
}

// TestEveryCommandAtEveryPlaceOfACheckout is the whole of checkout: where a command is accepted, with what, and
// the code of its refusal everywhere else.
func TestEveryCommandAtEveryPlaceOfACheckout(t *testing.T) {
	t.Parallel()
	reserving, reserved, paying, declined, confirming := places[0], places[1], places[2], places[3], places[4]
	voiding, refunding, releasing := places[7], places[8], places[9]
	rejectedRefunding, rejectedReleasing := places[11], places[12]
	for name, c := range map[string]struct {
		command  order.Command
		accepted map[order.State]string
		refused  map[order.State]string // other codes than the usual one
		usual    string
	}{
		"reserved": {order.RecordReserved{}, map[order.State]string{reserving: "OrderReserved"}, nil, order.CodeNotAwaited},
		"rejected": {
			order.RecordRejected{Code: stock.CodeSoldOut, ProductID: "curry"},
			map[order.State]string{reserving: "OrderRejected", confirming: "OrderRejected,OrderRefunded"}, nil, order.CodeNotAwaited,
		},
		"too late":  {order.ExpireOrder{At: payBy}, map[order.State]string{reserving: "OrderCancelled", reserved: "OrderCancelled"}, nil, order.CodeNotAwaited},
		"in time":   {order.ExpireOrder{At: payBy - 1}, nil, nil, order.CodeNotAwaited},
		"confirmed": {order.RecordConfirmed{}, map[order.State]string{confirming: "OrderConfirmed"}, nil, order.CodeNotAwaited},
		"released":  {order.RecordReleased{}, map[order.State]string{releasing: "OrderReleased", rejectedReleasing: "OrderReleased"}, nil, order.CodeNotAwaited},
		"captured": {
			order.RecordPayment{PaymentID: "p1", At: payBy}, map[order.State]string{paying: "OrderPaid", declined: "OrderPaid", voiding: "OrderPaid"},
			map[order.State]string{refunding: order.CodeNotAwaited, rejectedRefunding: order.CodeNotAwaited}, order.CodePaymentSettled,
		},
		"declined": {order.RecordDecline{PaymentID: "p1"}, map[order.State]string{paying: "OrderPaymentDeclined"}, nil, order.CodeNotAwaited},
		"voided": {
			order.RecordVoid{PaymentID: "p1"}, map[order.State]string{declined: "OrderPaymentVoided", voiding: "OrderPaymentVoided"},
			map[order.State]string{refunding: order.CodePaymentSettled, rejectedRefunding: order.CodePaymentSettled}, order.CodeNotAwaited,
		},
		"refunded":        {order.RecordRefund{PaymentID: "p1"}, map[order.State]string{refunding: "OrderRefunded", rejectedRefunding: "OrderRefunded"}, nil, order.CodeNotAwaited},
		"another decline": {order.RecordDecline{PaymentID: "p2"}, nil, nil, order.CodeNotAwaited},
		"another void":    {order.RecordVoid{PaymentID: "p2"}, nil, nil, order.CodeNotAwaited},
		"another capture": {order.RecordPayment{PaymentID: "p2"}, nil, nil, order.CodePaymentSettled},
	} {
		for _, s := range places {
			want := c.usual
			if types, ok := c.accepted[s]; ok {
				want = types
			} else if code, ok := c.refused[s]; ok {
				want = code
			}
			if got := outcome(order.Decide(s, c.command)); got != want {
				t.Errorf("%s at %s %s: got %s, want %s", name, s.Status, s.Checkout, got, want)
			}
		}
		if got := outcome(order.Decide(order.State{}, c.command)); got != order.CodeNotFound && got != order.CodePaymentSettled {
			t.Errorf("%s of no order: %s", name, got)
		}
	}
}

func TestGuestsAndTheKitchenMeetTheCheckout(t *testing.T) {
	t.Parallel()
	cash, card := order.PayOrder{Method: order.MethodCash, At: payBy - 1}, order.PayOrder{Method: order.MethodCard, At: payBy - 1, ByProvider: true, PaymentID: "p2"}
	late, terminal := order.PayOrder{Method: order.MethodCash, At: payBy}, order.PayOrder{Method: order.MethodCard, At: payBy - 1}
	byCard := at(order.StatusPaid, order.CheckoutConfirmed)
	byCard.PaymentID = "p1"
	for name, c := range map[string]struct {
		s    order.State
		c    order.Command
		want string
	}{
		"cash before the portions are reserved": {places[0], cash, order.CodeNotReserved},
		"cash":                                  {places[1], cash, "OrderPaid"},
		"card":                                  {places[1], card, "OrderPaymentRequested"},
		"card at a terminal of the canteen":     {places[1], terminal, "OrderPaid"},
		"cash too late":                         {places[1], late, order.CodeExpired},
		"cash while a card is charged":          {places[2], cash, order.CodePaymentOpen},
		"card while a card is voided":           {places[3], card, order.CodePaymentOpen},
		"card for a paid order":                 {places[4], card, order.CodeAlreadyPaid},
		"cash for a rejected order":             {places[12], cash, order.CodeRejected},
		"cooking before the sale is recorded":   {places[4], order.StartPreparing{}, order.CodeNotConfirmed},
		"cooking":                               {places[5], order.StartPreparing{}, "OrderPreparationStarted"},
		"cooking a rejected order":              {places[12], order.StartPreparing{}, order.CodeRejected},
		"cancelling while reserving":            {places[0], order.CancelOrder{}, "OrderCancelled"},
		"cancelling while paying":               {places[2], order.CancelOrder{}, "OrderCancelled"},
		"cancelling what was paid in cash":      {places[5], order.CancelOrder{}, "OrderCancelled,OrderRefunded"},
		"cancelling what was paid by card":      {byCard, order.CancelOrder{}, "OrderCancelled"},
		"cancelling a rejected order":           {places[12], order.CancelOrder{}, order.CodeRejected},
		"card without a checkout":               {order.State{OrderID: "o1", Status: order.StatusOrdered, Total: 1}, card, "OrderPaid"},
	} {
		if got := outcome(order.Decide(c.s, c.c)); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

// TestEveryEventAtEveryPlaceOfACheckout is the state machine: where an event leads, and that it cannot follow
// anywhere else.
func TestEveryEventAtEveryPlaceOfACheckout(t *testing.T) {
	t.Parallel()
	type place struct {
		order.Status
		order.Checkout
	}
	of := func(s order.State) place { return place{s.Status, s.Checkout} }
	reserving, reserved, paying, declined, confirming, confirmed := of(places[0]), of(places[1]), of(places[2]), of(places[3]), of(places[4]), of(places[5])
	cooked, voiding, refunding, releasing, released := of(places[6]), of(places[7]), of(places[8]), of(places[9]), of(places[10])
	refunding2, releasing2, released2 := of(places[11]), of(places[12]), of(places[13])
	for typ, leads := range map[string]map[place]place{
		order.PlacedType:             {},
		order.ReservedType:           {reserving: reserved},
		order.RejectedType:           {reserving: releasing2, confirming: refunding2},
		order.PaymentRequestedType:   {reserved: paying},
		order.PaymentDeclinedType:    {paying: declined},
		order.PaymentVoidedType:      {declined: reserved, voiding: releasing},
		order.PaidType:               {reserving: {order.StatusPaid, ""}, reserved: confirming, paying: confirming, declined: confirming, voiding: refunding},
		order.ConfirmedType:          {confirming: confirmed},
		order.PreparationStartedType: {confirmed: cooked},
		order.ReadyType:              {cooked: {order.StatusReady, order.CheckoutConfirmed}},
		order.PickedUpType:           {},
		order.CancelledType:          {reserving: releasing, reserved: releasing, paying: voiding, declined: voiding, confirming: refunding, confirmed: refunding},
		order.RefundedType:           {refunding: releasing, refunding2: releasing2},
		order.ReleasedType:           {releasing: released, releasing2: released2},
	} {
		for _, s := range places {
			status, checkout, err := order.Next(s.Status, s.Checkout, typ)
			want, follows := leads[of(s)]
			if !follows {
				want = of(s)
			}
			if (err == nil) != follows || (place{status, checkout}) != want {
				t.Errorf("%s at %s %s: %s %s, %v", typ, s.Status, s.Checkout, status, checkout, err)
			}
		}
	}
}

func TestAnOrdersPricesComeFromTheMenu(t *testing.T) {
	t.Parallel()
	product := func(price int64, offered bool) menu.Product {
		return menu.Product{ProductID: "curry", Details: menu.Details{NameJa: "カレーライス", Price: price, Offered: offered}}
	}
	removed := product(420, true)
	removed.Removed = true
	one := func(price int64) []order.Line {
		return []order.Line{{ProductID: "curry", Quantity: 2, UnitPrice: price}}
	}
	for name, c := range map[string]struct {
		menu  menu.Product
		lines []order.Line
		total *int64
		want  string
	}{
		"without a price":      {product(420, true), one(0), nil, order.PlacedType},
		"with today's price":   {product(420, true), one(420), yen(840), order.PlacedType},
		"with yesterday's":     {product(420, true), one(400), nil, order.CodePriceChanged},
		"with another total":   {product(420, true), one(0), yen(800), order.CodeTotalMismatch},
		"not offered":          {product(420, false), one(0), nil, order.CodeNotOffered},
		"not on the menu":      {menu.Product{}, one(0), nil, order.CodeUnknownProduct},
		"taken off the menu":   {removed, one(0), nil, order.CodeUnknownProduct},
		"of nothing":           {product(420, true), []order.Line{{ProductID: "curry"}}, nil, order.CodeInvalidLines},
		"more than can be had": {product(1_000_000, true), one(0), nil, order.CodeInvalidAmount},
	} {
		payloads, err := order.Decide(order.State{}, order.PlaceOrder{
			OrderID: "o1", Lines: c.lines, Total: c.total, Menu: map[string]menu.Product{"curry": c.menu}, Day: "2026-11-30", PayBy: payBy,
		})
		if got := outcome(payloads, err); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
		if err != nil {
			continue
		}
		want := order.Placed{
			OrderID: "o1", Total: 840, Day: "2026-11-30", PayBy: payBy,
			Lines: []order.Line{{Product: "カレーライス", Quantity: 2, UnitPrice: 420, ProductID: "curry"}},
		}
		if diff := cmp.Diff(want, payloads[0]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if err := payloads[0].(order.Placed).Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyOrdersOfTheMenuGoThroughACheckout(t *testing.T) {
	t.Parallel()
	soup := order.Line{Product: "味噌汁", Quantity: 1, UnitPrice: 100}
	dish := order.Line{ProductID: "curry", Product: "カレー", Quantity: 1, UnitPrice: 420}
	for name, c := range map[string]struct {
		lines []order.Line
		total *int64
		want  bool
	}{
		"a total": {nil, yen(420), false}, "a line of its own": {[]order.Line{soup}, nil, false},
		"one of each": {[]order.Line{dish, soup}, nil, false}, "the menu's": {[]order.Line{dish}, nil, true},
	} {
		payloads, err := order.Decide(order.State{}, order.PlaceOrder{OrderID: "o1", Lines: c.lines, Total: c.total, Day: "2026-11-30", PayBy: payBy})
		if err != nil {
			t.Fatal(name, err)
		}
		if p := payloads[0].(order.Placed); (p.PayBy == payBy) != c.want || (p.Day != "") != c.want {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestAPlacedOrderHasADayAndATimeToPayByOrNeither(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		p    order.Placed
		good bool
	}{
		"neither": {order.Placed{OrderID: "o1", Total: 1}, true}, "both": {order.Placed{OrderID: "o1", Total: 1, Day: "2026-11-30", PayBy: payBy}, true},
		"a day alone": {order.Placed{OrderID: "o1", Total: 1, Day: "2026-11-30"}, false}, "a time alone": {order.Placed{OrderID: "o1", Total: 1, PayBy: payBy}, false},
		"no such day": {order.Placed{OrderID: "o1", Total: 1, Day: "2026-11-31", PayBy: payBy}, false},
	} {
		if err := c.p.Check(); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnOrderBelongsToItsCaller(t *testing.T) {
	t.Parallel()
	e, err := event.New(order.Placed{OrderID: "o1", Total: 780, Day: "2026-11-30", PayBy: payBy})
	if err != nil {
		t.Fatal(err)
	}
	e.Actor = "guest-7"
	got, err := order.Evolve(order.State{}, &e)
	want := order.State{OrderID: "o1", Status: order.StatusOrdered, Checkout: order.CheckoutReserving, Total: 780, Owner: "guest-7", Day: "2026-11-30", PayBy: payBy}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, _, err := order.Next("", "", "OrderEaten"); !errors.Is(err, event.ErrUnknownType) {
		t.Errorf("a type unknown: %v", err)
	}
}
