package order

import (
	"fmt"

	"gakushoku/internal/event"
)

// CancelOrder cancels an order, which is possible until the kitchen has begun preparing it.
type CancelOrder struct {
	Reason string `json:"reason,omitempty"`
}

// CommandName returns the name in log lines.
func (CancelOrder) CommandName() string { return "CancelOrder" }

func (c CancelOrder) decide(s State) ([]event.Payload, error) {
	if c.Reason != "" {
		if err := text(c.Reason); err != nil {
			return nil, &Error{CodeInvalidReason, "reason " + err.Error()}
		}
	}
	cancelled := Cancelled{OrderID: s.OrderID, Reason: c.Reason}
	switch s.Status {
	case StatusOrdered:
		return []event.Payload{cancelled}, nil
	case StatusPaid:
		refunded := Refunded{OrderID: s.OrderID, Amount: s.Total, Method: s.Method}
		return []event.Payload{cancelled, refunded}, nil
	case StatusPreparing, StatusReady:
		return nil, &Error{CodeTooLateToCancel, fmt.Sprintf("order %s is %s: the kitchen has begun, it can no longer be cancelled", s.OrderID, s.Status)}
	}
	return nil, refuse(s)
}
