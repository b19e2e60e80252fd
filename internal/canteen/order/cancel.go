package order

import (
	"gakushoku/internal/canteen/refusal"
	"gakushoku/internal/canteen/value"
	"gakushoku/internal/event"
)

// CancelOrder cancels an order, which is possible until the kitchen has begun preparing it. An order with a
// checkout then gives back what it holds, in reverse.
type CancelOrder struct {
	Reason string `json:"reason,omitempty"`
}

// CommandName returns the name in log lines.
func (CancelOrder) CommandName() string { return "CancelOrder" }

func (c CancelOrder) decide(s State) ([]event.Payload, error) {
	if c.Reason != "" {
		if err := value.CheckText(c.Reason); err != nil {
			return nil, refusal.New(CodeInvalidReason, "reason %s", err)
		}
	}
	switch s.Status {
	case StatusOrdered, StatusPaid:
		return append([]event.Payload{Cancelled{OrderID: s.OrderID, Said: c.Reason}}, s.refund()...), nil
	case StatusPreparing, StatusReady:
		return nil, refusal.New(CodeTooLateToCancel, "order %s is %s: the kitchen has begun, it can no longer be cancelled", s.OrderID, s.Status)
	}
	return nil, refuse(s)
}

// refund returns the refund of an order that was paid without a provider: the money is given back at once. A
// provider is asked by checkout.
func (s State) refund() []event.Payload {
	if s.Status != StatusPaid || s.PaymentID != "" {
		return nil
	}
	return []event.Payload{Refunded{OrderID: s.OrderID, Amount: s.Total, Method: s.Method}}
}
