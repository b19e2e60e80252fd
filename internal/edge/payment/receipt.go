package payment

import (
	"fmt"
	"maps"
	"strings"
)

// Receipt is what a provider knows of one payment. Its methods are the rules of a provider: each returns the
// receipt after a call, which is the same one if the call has happened already, or the *Error of a refusal.
// A Receipt is never changed.
type Receipt struct {
	Key     string           `json:"key"`
	Status  Status           `json:"status,omitempty"`
	Yen     int64            `json:"yen,omitempty"`     // authorised, captured or declined
	Reason  string           `json:"reason,omitempty"`  // code of the provider's reason to decline
	Refunds map[string]int64 `json:"refunds,omitempty"` // refund key -> yen
}

// Captured returns how much was taken from the card, in yen.
func (r Receipt) Captured() int64 {
	if r.Status == StatusCaptured {
		return r.Yen
	}
	return 0
}

// Refunded returns how much was given back, in yen.
func (r Receipt) Refunded() (sum int64) {
	for _, yen := range r.Refunds {
		sum += yen
	}
	return sum
}

// Authorise is Provider.Authorise.
func (r Receipt) Authorise(yen int64) (Receipt, error) {
	if r.Status == StatusCaptured && r.Yen == yen {
		return r, nil
	}
	return r.hold(StatusAuthorised, yen)
}

// Capture is Provider.Capture.
func (r Receipt) Capture(yen int64) (Receipt, error) { return r.hold(StatusCaptured, yen) }

// hold moves a payment to a status in which it holds money.
func (r Receipt) hold(status Status, yen int64) (Receipt, error) {
	switch {
	case r.Status == StatusDeclined:
		return r, r.declined()
	case r.Status == StatusVoided:
		return r, refuse(CodeVoided, "payment %s was voided: it will never be captured", r.Key)
	case yen < 1 || yen > MaxYen:
		return r, refuse(CodeInvalid, "an amount must be 1 to %d yen, not %d", MaxYen, yen)
	case r.Status != StatusNone && r.Yen != yen:
		return r, refuse(CodeKeyReused, "payment %s is about %d yen, not %d: use another key", r.Key, r.Yen, yen)
	}
	r.Status, r.Yen = status, yen
	return r, nil
}

// Decline declines a payment that has not been captured. Only providers do so.
func (r Receipt) Decline(yen int64, reason string) Receipt {
	r.Status, r.Yen, r.Reason = StatusDeclined, yen, reason
	return r
}

// declined returns the refusal of a declined payment.
func (r Receipt) declined() error {
	return &Error{Code: CodeDeclined, Detail: fmt.Sprintf("the provider declined payment %s: %s", r.Key, r.Reason), Reason: r.Reason}
}

// Void is Provider.Void.
func (r Receipt) Void() (Receipt, error) {
	if r.Status == StatusCaptured {
		return r, refuse(CodeAlreadyCaptured, "payment %s was captured: it can only be refunded", r.Key)
	}
	r.Status = StatusVoided
	return r, nil
}

// Refund is Provider.Refund.
func (r Receipt) Refund(refund string, yen int64) (Receipt, error) {
	switch before, done := r.Refunds[refund]; {
	case done && before != yen:
		return r, refuse(CodeKeyReused, "refund %s is about %d yen, not %d: use another key", refund, before, yen)
	case done:
		return r, nil
	case r.Status != StatusCaptured:
		return r, refuse(CodeNotCaptured, "payment %s was not captured: there is nothing to refund", r.Key)
	case yen < 1 || yen > r.Yen-r.Refunded():
		return r, refuse(CodeRefundTooHigh, "payment %s has %d yen left to refund, not %d", r.Key, r.Yen-r.Refunded(), yen)
	}
	r.Refunds = maps.Clone(r.Refunds)
	if r.Refunds == nil {
		r.Refunds = map[string]int64{}
	}
	r.Refunds[refund] = yen
	return r, nil
}

// Same reports whether two receipts say the same.
func (r Receipt) Same(other Receipt) bool {
	return r.Key == other.Key && r.Status == other.Status && r.Yen == other.Yen && r.Reason == other.Reason && maps.Equal(r.Refunds, other.Refunds)
}

// ByKey orders receipts by their keys.
func (r Receipt) ByKey(other Receipt) int { return strings.Compare(r.Key, other.Key) }
