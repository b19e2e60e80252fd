package order

import "gakushoku/internal/canteen/refusal"

// Error is a refusal by the rules.
type Error = refusal.Error

// The codes of the refusals are part of the HTTP interface: never change one.
const (
	CodeNotFound          = "order/not-found"
	CodeAlreadyExists     = "order/already-exists"
	CodeAlreadyPaid       = "order/already-paid"
	CodeAlreadyPreparing  = "order/already-preparing"
	CodeAlreadyReady      = "order/already-ready"
	CodeAlreadyPickedUp   = "order/already-picked-up"
	CodeAlreadyCancelled  = "order/already-cancelled"
	CodeNotPaid           = "order/not-paid"
	CodeNotPreparing      = "order/not-preparing"
	CodeNotReady          = "order/not-ready"
	CodeTooLateToCancel   = "order/too-late-to-cancel"
	CodeInvalidID         = "order/invalid-id"
	CodeInvalidLines      = "order/invalid-lines"
	CodeInvalidAmount     = "order/invalid-amount"
	CodeTotalMismatch     = "order/total-mismatch"
	CodeInvalidMethod     = "order/invalid-payment-method"
	CodeTooManyPortions   = "order/too-many-portions" // a guest may not order so many at once
	CodeTooManyOpen       = "order/too-many-open"     // a guest has so many orders that are not paid
	CodeInvalidReason     = "order/invalid-reason"
	CodeVersionNotReached = "order/version-not-reached" // the row is older than the reader requires

	CodeRejected       = "order/rejected"         // it was turned down: its portions were not to be had
	CodePriceChanged   = "order/price-changed"    // the price that the client sent is not the menu's
	CodeNotOffered     = "menu/not-offered"       // the product is not sold at present
	CodeUnknownProduct = "menu/unknown-product"   // no such product is on the menu
	CodeMenuOnly       = "order/menu-only"        // the caller may only order from the menu
	CodeNotReserved    = "order/not-reserved"     // its portions are not reserved yet
	CodeExpired        = "order/expired"          // it was not paid within its time
	CodePaymentOpen    = "order/payment-open"     // a payment is under way
	CodeNotConfirmed   = "order/not-confirmed"    // it is paid, but the sale of its portions is not recorded yet
	CodeNotAwaited     = "order/not-awaited"      // the order does not wait for this outcome of a step of checkout
	CodePaymentSettled = "order/payment-conflict" // the outcome contradicts how the payment ended before
)
