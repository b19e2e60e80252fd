package order

import (
	"gakushoku/internal/canteen/refusal"
	"gakushoku/internal/event"
)

// The commands below record the outcomes of the steps of checkout. Each is refused with CodeNotAwaited if the
// order does not wait for it (any more): then another worker was faster, or the order was called off.

// RecordReserved records that all portions are reserved.
type RecordReserved struct{}

// CommandName returns the name in log lines.
func (RecordReserved) CommandName() string { return "RecordReserved" }

func (c RecordReserved) decide(s State) ([]event.Payload, error) {
	if s.Checkout != CheckoutReserving {
		return nil, notAwaited(s, c)
	}
	return []event.Payload{Reserved{OrderID: s.OrderID}}, nil
}

// RecordRejected records that reserving or selling the portions was refused for good.
type RecordRejected struct {
	Code      string `json:"code"` // of the refusal
	ProductID string `json:"productId,omitempty"`
}

// CommandName returns the name in log lines.
func (RecordRejected) CommandName() string { return "RecordRejected" }

func (c RecordRejected) decide(s State) ([]event.Payload, error) {
	if s.Checkout != CheckoutReserving && s.Checkout != CheckoutConfirming {
		return nil, notAwaited(s, c)
	}
	return append([]event.Payload{Rejected{OrderID: s.OrderID, Code: c.Code, ProductID: c.ProductID}}, s.refund()...), nil
}

// ReasonExpired is the reason of the cancellation of an order that was not paid within its time.
const ReasonExpired = "not paid in time"

// ExpireOrder cancels an order that was not paid within its time.
type ExpireOrder struct {
	At event.Instant `json:"-"` // from the worker's clock
}

// CommandName returns the name in log lines.
func (ExpireOrder) CommandName() string { return "ExpireOrder" }

func (c ExpireOrder) decide(s State) ([]event.Payload, error) {
	if s.Checkout != CheckoutReserving && s.Checkout != CheckoutReserved || c.At < s.PayBy {
		return nil, notAwaited(s, c)
	}
	return []event.Payload{Cancelled{OrderID: s.OrderID, Reason: ReasonExpired}}, nil
}

// RecordConfirmed records that the portions are sold.
type RecordConfirmed struct{}

// CommandName returns the name in log lines.
func (RecordConfirmed) CommandName() string { return "RecordConfirmed" }

func (c RecordConfirmed) decide(s State) ([]event.Payload, error) {
	if s.Checkout != CheckoutConfirming {
		return nil, notAwaited(s, c)
	}
	return []event.Payload{Confirmed{OrderID: s.OrderID}}, nil
}

// RecordReleased records that an order that was called off holds no portions any more.
type RecordReleased struct{}

// CommandName returns the name in log lines.
func (RecordReleased) CommandName() string { return "RecordReleased" }

func (c RecordReleased) decide(s State) ([]event.Payload, error) {
	if s.Checkout != CheckoutReleasing {
		return nil, notAwaited(s, c)
	}
	return []event.Payload{Released{OrderID: s.OrderID}}, nil
}

// RecordPayment records that the provider captured a payment. The money is there even if the order was called
// off meanwhile: it is then refunded.
type RecordPayment struct {
	PaymentID string        `json:"paymentId"`
	At        event.Instant `json:"-"`
}

// CommandName returns the name in log lines.
func (RecordPayment) CommandName() string { return "RecordPayment" }

func (c RecordPayment) decide(s State) ([]event.Payload, error) {
	switch {
	case s.PaymentID != c.PaymentID:
		return nil, contradicts(s, c.PaymentID, "captured")
	case s.Checkout == CheckoutPaying, s.Checkout == CheckoutDeclined, s.Checkout == CheckoutVoiding:
		return []event.Payload{Paid{OrderID: s.OrderID, PaidAt: c.At, Method: s.Method, PaymentID: c.PaymentID}}, nil
	}
	return nil, notAwaited(s, c)
}

// RecordDecline records that the provider declined a payment.
type RecordDecline struct {
	PaymentID string `json:"paymentId"`
	Reason    string `json:"reason,omitempty"`
}

// CommandName returns the name in log lines.
func (RecordDecline) CommandName() string { return "RecordDecline" }

func (c RecordDecline) decide(s State) ([]event.Payload, error) {
	if s.PaymentID != c.PaymentID || s.Checkout != CheckoutPaying {
		return nil, notAwaited(s, c)
	}
	return []event.Payload{PaymentDeclined{OrderID: s.OrderID, PaymentID: c.PaymentID, Reason: c.Reason}}, nil
}

// RecordVoid records that a payment will never be captured.
type RecordVoid struct {
	PaymentID string `json:"paymentId"`
}

// CommandName returns the name in log lines.
func (RecordVoid) CommandName() string { return "RecordVoid" }

func (c RecordVoid) decide(s State) ([]event.Payload, error) {
	switch {
	case s.PaymentID == c.PaymentID && (s.Checkout == CheckoutDeclined || s.Checkout == CheckoutVoiding):
		return []event.Payload{PaymentVoided{OrderID: s.OrderID, PaymentID: c.PaymentID}}, nil
	case s.PaymentID == c.PaymentID && s.Checkout != CheckoutPaying:
		return nil, contradicts(s, c.PaymentID, "voided")
	}
	return nil, notAwaited(s, c)
}

// RecordRefund records that the provider gave the money back.
type RecordRefund struct {
	PaymentID string `json:"paymentId"`
}

// CommandName returns the name in log lines.
func (RecordRefund) CommandName() string { return "RecordRefund" }

func (c RecordRefund) decide(s State) ([]event.Payload, error) {
	if s.PaymentID != c.PaymentID || s.Checkout != CheckoutRefunding {
		return nil, notAwaited(s, c)
	}
	return []event.Payload{Refunded{OrderID: s.OrderID, Amount: s.Total, Method: s.Method}}, nil
}

func notAwaited(s State, c Command) error {
	if !s.Exists() {
		return refuse(s)
	}
	return refusal.New(CodeNotAwaited, "order %s is %s with checkout %q: it does not wait for %s", s.OrderID, s.Status, s.Checkout, c.CommandName())
}

// contradicts refuses an outcome that cannot be, because the payment ended in another way before.
func contradicts(s State, paymentID, outcome string) error {
	return refusal.New(CodePaymentSettled, "payment %s is said to be %s, but order %s is %s with checkout %q and payment %q: compare with the provider's books",
		paymentID, outcome, s.OrderID, s.Status, s.Checkout, s.PaymentID)
}
