// Package payment takes card payments through a provider outside. Provider is the port; its adapters are
// Card, a client of a provider's HTTP interface, and package ledger. Cash needs no adapter: no system has to be
// called for it.
//
// A payment has a key, which the caller makes. Every call of a provider may be repeated: it happens once. A
// call that failed with ErrUnknownOutcome may have happened; Settled asks the provider whether it did
// (infra/decisions/0021-payment-outcomes.md).
package payment

import (
	"context"

	"gakushoku/internal/observe"
)

// Provider is a provider of card payments. Its errors are an *Error if the provider refuses, and
// infrastructure errors: ErrUnavailable, or ErrUnknownOutcome if the call may have happened.
type Provider interface {
	// Authorise reserves an amount on the guest's card.
	Authorise(ctx context.Context, key string, yen int64) (Receipt, error)
	// Capture takes an amount from the guest's card, authorised before or not.
	Capture(ctx context.Context, key string, yen int64) (Receipt, error)
	// Refund gives back an amount of what the payment captured, once for each refund key.
	Refund(ctx context.Context, key, refund string, yen int64) (Receipt, error)
	// Void makes sure that the payment will never be captured, also if the provider has not seen its key yet.
	// It is refused with CodeAlreadyCaptured if the payment was captured.
	Void(ctx context.Context, key string) (Receipt, error)
	// Lookup returns what the provider knows of a payment: a Receipt with StatusNone if it knows nothing.
	Lookup(ctx context.Context, key string) (Receipt, error)
}

// Status is where a payment is.
type Status string

// The states of a payment. A declined payment stays declined: the guest pays with another one.
const (
	StatusNone       Status = ""
	StatusAuthorised Status = "AUTHORISED"
	StatusCaptured   Status = "CAPTURED"
	StatusDeclined   Status = "DECLINED"
	StatusVoided     Status = "VOIDED"
)

// MaxYen bounds an amount: more is a mistake.
const MaxYen = 100_000_000

// ValidKey reports whether key may be the key of a payment or a refund: 1 to 128 characters of
// [A-Za-z0-9._:-], not only dots, so that it can be a segment of a URL.
func ValidKey(key string) bool {
	return observe.ValidCorrelationID(key) && key != "." && key != ".."
}
