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
	StatusOrdered   Status = "ORDERED"
	StatusPaid      Status = "PAID"
	StatusPreparing Status = "PREPARING"
	StatusReady     Status = "READY"
	StatusPickedUp  Status = "PICKED_UP"
	StatusCancelled Status = "CANCELLED"
)

// State is what the rules need to know of an order.
type State struct {
	OrderID string
	Status  Status
	Total   int64 // yen
	Method  PaymentMethod
}

// Exists reports whether the order was placed.
func (s State) Exists() bool { return s.Status != "" }

// Evolve applies one event to a state. An event that cannot follow the state is an error:
// the stream is damaged, since Decide never answers such an event.
func Evolve(s State, e *event.Event) (State, error) {
	next := s
	switch e.Type {
	case PlacedType:
		var p Placed
		if err := p.Decode(e); err != nil {
			return s, err
		}
		next.OrderID, next.Total = p.OrderID, p.Total
	case PaidType:
		var p Paid
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
	case PlacedType:
		next, follows = StatusOrdered, status == ""
	case PaidType:
		next, follows = StatusPaid, status == StatusOrdered
	case PreparationStartedType:
		next, follows = StatusPreparing, status == StatusPaid
	case ReadyType:
		next, follows = StatusReady, status == StatusPreparing
	case PickedUpType:
		next, follows = StatusPickedUp, status == StatusReady
	case CancelledType:
		next, follows = StatusCancelled, status == StatusOrdered || status == StatusPaid
	case RefundedType:
		follows = status == StatusCancelled // it moves money, not the order
	default:
		return status, fmt.Errorf("%w %q", event.ErrUnknownType, eventType)
	}
	if !follows {
		return status, fmt.Errorf("%s cannot follow status %q", eventType, status)
	}
	return next, nil
}
