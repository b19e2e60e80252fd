// Package order holds the rules of one order, from being placed to being picked up or
// cancelled, as two pure functions: Decide says which events a command leads to, Evolve what
// an event makes of the state. Time and ids come in with the commands.
package order

import (
	"fmt"

	"gakushoku/internal/event"
)

// Status is where an order stands.
type Status string

// The states of an order. The zero Status is an order that was never placed.
const (
	Ordered   Status = "ORDERED"
	Paid      Status = "PAID"
	Preparing Status = "PREPARING"
	Ready     Status = "READY"
	PickedUp  Status = "PICKED_UP"
	Cancelled Status = "CANCELLED"
)

// State is what the rules need to know of an order.
type State struct {
	OrderID string
	Status  Status
	Total   int64 // yen
	Method  event.PaymentMethod
}

// Exists reports whether the order was placed.
func (s State) Exists() bool { return s.Status != "" }

// Evolve applies one event to a state. An event that cannot follow the state is an error:
// the stream is damaged, since Decide never answers such an event.
func Evolve(s State, e *event.Event) (State, error) {
	next := s
	switch e.Type {
	case event.OrderPlacedType:
		var p event.OrderPlaced
		if err := p.Decode(e); err != nil {
			return s, err
		}
		next.OrderID, next.Total = p.OrderID, p.Total
	case event.OrderPaidType:
		var p event.OrderPaid
		if err := p.Decode(e); err != nil {
			return s, err
		}
		next.Method = p.Method
	}
	status, err := Next(s.Status, e.Type)
	if err != nil {
		return s, fmt.Errorf("order %s: %w", s.OrderID, err)
	}
	next.Status = status
	return next, nil
}

// Next is the state machine: where an event of a type takes an order that stands at status. An
// import asks it about millions of events, so it looks at nothing else.
func Next(status Status, eventType string) (Status, error) {
	next, follows := status, false
	switch eventType {
	case event.OrderPlacedType:
		next, follows = Ordered, status == ""
	case event.OrderPaidType:
		next, follows = Paid, status == Ordered
	case event.OrderPreparationStartedType:
		next, follows = Preparing, status == Paid
	case event.OrderReadyType:
		next, follows = Ready, status == Preparing
	case event.OrderPickedUpType:
		next, follows = PickedUp, status == Ready
	case event.OrderCancelledType:
		next, follows = Cancelled, status == Ordered || status == Paid
	case event.OrderRefundedType:
		follows = status == Cancelled // it moves money, not the order
	default:
		return status, fmt.Errorf("%w %q", event.ErrUnknownType, eventType)
	}
	if !follows {
		return status, fmt.Errorf("%s cannot follow status %q", eventType, status)
	}
	return next, nil
}
