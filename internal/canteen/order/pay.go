package order

import (
	"gakushoku/internal/canteen/refusal"
	"gakushoku/internal/event"
)

// PayOrder pays for an order: at once, or through a provider, which checkout then asks to capture the money.
type PayOrder struct {
	Method PaymentMethod `json:"paymentMethod"`

	At         event.Instant `json:"-"` // from the entrance's clock
	ByProvider bool          `json:"-"` // whether there is a provider for cards
	PaymentID  string        `json:"-"` // names the payment at the provider
}

// CommandName returns the name in log lines.
func (PayOrder) CommandName() string { return "PayOrder" }

func (c PayOrder) decide(s State) ([]event.Payload, error) {
	if c.Method != MethodCard && c.Method != MethodCash {
		return nil, refusal.New(CodeInvalidMethod, "paymentMethod must be %s or %s", MethodCard, MethodCash)
	}
	if err := must(s, StatusOrdered, CodeAlreadyPaid); err != nil {
		return nil, err
	}
	if err := c.payable(s); err != nil {
		return nil, err
	}
	if c.Method == MethodCard && c.ByProvider && s.Checkout == CheckoutReserved {
		return []event.Payload{PaymentRequested{OrderID: s.OrderID, PaymentID: c.PaymentID, Method: c.Method}}, nil
	}
	return []event.Payload{Paid{OrderID: s.OrderID, PaidAt: c.At, Method: c.Method}}, nil
}

// payable refuses a payment that the order's checkout does not wait for.
func (c PayOrder) payable(s State) error {
	switch s.Checkout {
	case CheckoutReserving:
		return refusal.New(CodeNotReserved, "the portions of order %s are not reserved yet: try again in a moment", s.OrderID)
	case CheckoutPaying, CheckoutDeclined:
		return refusal.New(CodePaymentOpen, "a payment of order %s is under way: look at the order again in a moment", s.OrderID)
	}
	if !s.PayBy.IsZero() && c.At >= s.PayBy {
		return refusal.New(CodeExpired, "order %s was to be paid by %s: place it again", s.OrderID, s.PayBy)
	}
	return nil
}
