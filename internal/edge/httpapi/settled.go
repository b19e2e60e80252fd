package httpapi

import (
	"fmt"
	"net/http"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/edge/payment"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/tombstone"
	"gakushoku/internal/event"
)

// dueAtOnce reports whether the checkout of an order waits for a step that is carried out inline.
func dueAtOnce(r *command.Result[order.State]) bool {
	switch r.State.Checkout {
	case order.CheckoutNone, order.CheckoutReserved, order.CheckoutConfirmed, order.CheckoutReleased:
		return false
	}
	return true
}

// settled finds what has become of the reservation or the payment that a command asked for. It moves the
// result on to the event that settled it, so that a repeat gets the same, or returns the refusal. A payment
// whose outcome is still open is 202.
func settled(c *call, r *command.Result[order.State]) (status int, err error) {
	asked := r.State
	if asked.Checkout != order.CheckoutReserving && asked.Checkout != order.CheckoutPaying {
		return 0, nil
	}
	stream := order.Stream(asked.OrderID)
	later, err := since(c, stream, r)
	if err != nil {
		return 0, fmt.Errorf("loading what became of %s: %w", stream, err)
	}
	for i := range later {
		if tombstone.Is(&later[i]) {
			continue
		}
		if r.State, err = order.Evolve(r.State, &later[i]); err != nil {
			return 0, fmt.Errorf("folding what became of %s: %w", stream, err)
		}
		r.Version, r.Events = later[i].Version, append(r.Events, later[i])
		if done, err := settles(asked, r.State, &later[i]); done || err != nil {
			return 0, err
		}
	}
	if asked.Checkout == order.CheckoutPaying {
		return http.StatusAccepted, nil
	}
	return 0, nil
}

// since returns the events that followed those of a command.
func since(c *call, stream string, r *command.Result[order.State]) ([]event.Event, error) {
	if uint64(len(r.History)) >= r.Version {
		return r.History[r.Version:], nil
	}
	return c.server.Commands.Streams.Load(c.Context(), stream, r.Version)
}

// settles reports whether an event, which led to a state, settles what was asked; its error is the refusal.
func settles(asked, now order.State, e *event.Event) (bool, error) {
	switch e.Type {
	case order.ReservedType:
		return asked.Checkout == order.CheckoutReserving, nil
	case order.RejectedType:
		var p order.Rejected
		if err := p.Decode(e); err != nil {
			return false, err
		}
		return true, refuse(p.Code, "order %s was turned down because of product %s: choose something else", asked.OrderID, p.ProductID)
	case order.PaidType:
		if now.Status == order.StatusCancelled {
			return true, refuse(order.CodeAlreadyCancelled, "order %s was cancelled while the payment went through: the money is given back", asked.OrderID)
		}
		return true, nil
	case order.PaymentDeclinedType:
		var p order.PaymentDeclined
		if err := p.Decode(e); err != nil {
			return false, err
		}
		return true, refuse(payment.CodeDeclined, "the card was declined (%s): pay again with another card, or in cash", p.Reason)
	case order.PaymentVoidedType:
		return true, refuse(order.CodeAlreadyCancelled, "order %s was cancelled before the payment went through: nothing was charged", asked.OrderID)
	}
	return false, nil
}

func refuse(code, format string, args ...any) error {
	return &order.Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}
