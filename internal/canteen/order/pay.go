package order

import (
	"fmt"

	"gakushoku/internal/event"
)

// PayOrder takes the money for an order.
type PayOrder struct {
	Method PaymentMethod `json:"paymentMethod"`
	At     event.Instant `json:"-"` // when; comes from the entrance's clock
}

// CommandName is the name in logs.
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
