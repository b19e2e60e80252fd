package order

import (
	"fmt"

	"gakushoku/internal/event"
)

// PayOrder pays for an order.
type PayOrder struct {
	Method PaymentMethod `json:"paymentMethod"`
	At     event.Instant `json:"-"` // from the entrance's clock
}

// CommandName returns the name in log lines.
func (PayOrder) CommandName() string { return "PayOrder" }

func (c PayOrder) decide(s State) ([]event.Payload, error) {
	if c.Method != MethodCard && c.Method != MethodCash {
		return nil, &Error{CodeInvalidMethod, fmt.Sprintf("paymentMethod must be %s or %s", MethodCard, MethodCash)}
	}
	if err := must(s, StatusOrdered, CodeAlreadyPaid); err != nil {
		return nil, err
	}
	return []event.Payload{Paid{OrderID: s.OrderID, PaidAt: c.At, Method: c.Method}}, nil
}
