// Package order holds the rules of one order, from placing it to pickup or cancellation, as two pure
// functions: Decide returns the events that a command leads to, and Evolve applies an event to the state.
// Times and ids are part of the commands.
package order

import (
	"fmt"

	"gakushoku/internal/event"
)

// Status is the status of an order.
type Status string

// The states of an order. The zero Status is that of an order that was never placed.
const (
	StatusOrdered   Status = "ORDERED"
	StatusPaid      Status = "PAID"
	StatusPreparing Status = "PREPARING"
	StatusReady     Status = "READY"
	StatusPickedUp  Status = "PICKED_UP"
	StatusCancelled Status = "CANCELLED"
)

// State is what the rules need to know about an order.
type State struct {
	OrderID string
	Status  Status
	Total   int64 // yen
	Method  PaymentMethod
}

// Exists reports whether the order was placed.
func (s State) Exists() bool { return s.Status != "" }

// Evolve applies one event to a state. It fails if the event cannot follow the state: then the stream is
// damaged, since Decide never returns such an event.
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

// Next is the state machine: it returns the status after an event of a type. An import calls it for
// millions of events, so it considers nothing else.
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
		follows = status == StatusCancelled // a refund moves money, not the order
	default:
		return status, fmt.Errorf("%w %q", event.ErrUnknownType, eventType)
	}
	if !follows {
		return status, fmt.Errorf("%s cannot follow status %q", eventType, status)
	}
	return next, nil
}
