// Package order holds the rules of one order, from placing it to pickup or cancellation, as two pure
// functions: Decide returns the events that a command leads to, and Evolve applies an event to the state.
// Times and ids are part of the commands.
package order

import (
	"fmt"
	"strings"

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
	StatusRejected  Status = "REJECTED" // its portions were not to be had
)

// State is what the rules need to know about an order.
type State struct {
	OrderID   string        `json:"orderId"`
	Status    Status        `json:"status"`
	Checkout  Checkout      `json:"checkout,omitempty"`
	Total     int64         `json:"total"` // yen
	Method    PaymentMethod `json:"paymentMethod,omitempty"`
	PaymentID string        `json:"paymentId,omitempty"` // of the payment by a provider that is open, or was made
	Owner     string        `json:"owner,omitempty"`     // the caller who placed it
	Day       string        `json:"day,omitempty"`       // the business day whose stock it takes from
	PayBy     event.Instant `json:"payBy,omitzero"`      // when it expires unless it is paid; 0 without checkout
}

// Exists reports whether the order was placed.
func (s State) Exists() bool { return s.Status != "" }

// Evolve applies one event to a state. It fails if the event cannot follow the state: then the stream is
// damaged, since Decide never returns such an event.
func Evolve(s State, e *event.Event) (State, error) {
	next, err := s.with(e)
	if err != nil {
		return s, err
	}
	if next.Status, next.Checkout, err = Next(s.Status, s.Checkout, e.Type); err != nil {
		return s, fmt.Errorf("order %s: %w", s.OrderID, err)
	}
	if e.Type == PlacedType && !next.PayBy.IsZero() {
		next.Checkout = CheckoutReserving
	}
	return next, nil
}

// with returns the state with what an event says besides its type. Strings are cloned, so that a state may
// outlive the events that it was folded from.
func (s State) with(e *event.Event) (State, error) {
	var err error
	switch e.Type {
	case PlacedType:
		var p Placed
		err = p.Decode(e)
		s.OrderID, s.Total, s.Owner = strings.Clone(p.OrderID), p.Total, strings.Clone(e.Actor)
		s.Day, s.PayBy = strings.Clone(p.Day), p.PayBy
	case PaymentRequestedType:
		var p PaymentRequested
		err = p.Decode(e)
		s.Method, s.PaymentID = p.Method, strings.Clone(p.PaymentID)
	case PaymentVoidedType:
		s.Method, s.PaymentID = "", ""
	case PaidType:
		var p Paid
		err = p.Decode(e)
		s.Method, s.PaymentID = p.Method, strings.Clone(p.PaymentID)
	}
	return s, err
}
