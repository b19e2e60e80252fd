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
		next.OrderID, next.Total, next.Status = p.OrderID, p.Total, Ordered
	case event.OrderPaidType:
		var p event.OrderPaid
		if err := p.Decode(e); err != nil {
			return s, err
		}
		next.Method, next.Status = p.Method, Paid
	case event.OrderPreparationStartedType:
		next.Status = Preparing
	case event.OrderReadyType:
		next.Status = Ready
	case event.OrderPickedUpType:
		next.Status = PickedUp
	case event.OrderCancelledType:
		next.Status = Cancelled
	case event.OrderRefundedType:
		// The refund moves money, not the order.
	default:
		return s, fmt.Errorf("order %s: %w %q", s.OrderID, event.ErrUnknownType, e.Type)
	}
	if !follows(e.Type, s.Status) {
		return s, fmt.Errorf("order %s: %s cannot follow status %q", s.OrderID, e.Type, s.Status)
	}
	return next, nil
}

// follows is the state machine: the status that each event needs to find.
func follows(eventType string, status Status) bool {
	switch eventType {
	case event.OrderPlacedType:
		return status == ""
	case event.OrderPaidType:
		return status == Ordered
	case event.OrderPreparationStartedType:
		return status == Paid
	case event.OrderReadyType:
		return status == Preparing
	case event.OrderPickedUpType:
		return status == Ready
	case event.OrderCancelledType:
		return status == Ordered || status == Paid
	case event.OrderRefundedType:
		return status == Cancelled
	}
	return false
}
