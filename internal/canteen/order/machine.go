package order

import (
	"fmt"

	"gakushoku/internal/event"
)

// Checkout is where the checkout of an order is: what it waits for next. Orders without a time to pay by have
// none.
type Checkout string

// The states of a checkout. The first six lead to a meal; the others undo in reverse what was done.
const (
	CheckoutNone       Checkout = ""
	CheckoutReserving  Checkout = "RESERVING"  // portions are to be reserved
	CheckoutReserved   Checkout = "RESERVED"   // waits for the guest to pay, until PayBy
	CheckoutPaying     Checkout = "PAYING"     // the provider is to capture a payment
	CheckoutDeclined   Checkout = "DECLINED"   // the payment was declined and is to be voided
	CheckoutConfirming Checkout = "CONFIRMING" // paid; the portions are to be sold
	CheckoutConfirmed  Checkout = "CONFIRMED"  // the end: paid and sold
	CheckoutVoiding    Checkout = "VOIDING"    // called off; the open payment is to be settled
	CheckoutRefunding  Checkout = "REFUNDING"  // called off; the money is to be given back
	CheckoutReleasing  Checkout = "RELEASING"  // called off; the portions are to be given back
	CheckoutReleased   Checkout = "RELEASED"   // the end: nothing is held any more
)

// Next is the state machine: it returns the status and checkout after an event of a type. An import calls it
// for millions of events, so it considers nothing else; an import cannot tell RESERVING from no checkout.
func Next(status Status, checkout Checkout, eventType string) (Status, Checkout, error) {
	next, after, follows := Status(""), checkout, false
	switch eventType {
	case PlacedType:
		next, follows = StatusOrdered, status == ""
	case PaidType:
		next, after, follows = paidNext(status, checkout)
	case PreparationStartedType:
		next, follows = StatusPreparing, status == StatusPaid && (checkout == CheckoutNone || checkout == CheckoutConfirmed)
	case ReadyType:
		next, follows = StatusReady, status == StatusPreparing
	case PickedUpType:
		next, follows = StatusPickedUp, status == StatusReady
	case CancelledType:
		next, after, follows = cancelledNext(status, checkout)
	case RefundedType: // a refund moves money, not the order
		next, follows = status, status == StatusCancelled && checkout == CheckoutNone || checkout == CheckoutRefunding
		if checkout == CheckoutRefunding {
			after = CheckoutReleasing
		}
	default:
		return checkoutNext(status, checkout, eventType)
	}
	if !follows {
		return status, checkout, cannotFollow(status, checkout, eventType)
	}
	return next, after, nil
}

// paidNext is Next for a payment. One that was found captured after the order was called off is refunded.
func paidNext(status Status, checkout Checkout) (Status, Checkout, bool) {
	switch {
	case status == StatusCancelled:
		return status, CheckoutRefunding, checkout == CheckoutVoiding
	case status != StatusOrdered:
		return status, checkout, false
	case checkout == CheckoutNone || checkout == CheckoutReserving:
		return StatusPaid, CheckoutNone, true
	}
	return StatusPaid, CheckoutConfirming, true
}

// cancelledNext is Next for a cancellation. Undoing begins with what was done last.
func cancelledNext(status Status, checkout Checkout) (Status, Checkout, bool) {
	switch checkout {
	case CheckoutReserving, CheckoutReserved:
		checkout = CheckoutReleasing
	case CheckoutPaying, CheckoutDeclined:
		checkout = CheckoutVoiding
	case CheckoutConfirming, CheckoutConfirmed:
		checkout = CheckoutRefunding
	}
	return StatusCancelled, checkout, status == StatusOrdered || status == StatusPaid
}

// checkoutNext is Next for the events that only orders with a checkout have.
func checkoutNext(status Status, checkout Checkout, eventType string) (Status, Checkout, error) {
	next, after, follows := status, CheckoutNone, false
	ordered, begun := status == StatusOrdered, checkout == CheckoutNone || checkout == CheckoutReserving
	switch eventType {
	case ReservedType:
		after, follows = CheckoutReserved, ordered && begun
	case RejectedType:
		next, after, follows = StatusRejected, CheckoutReleasing, ordered && begun
		if checkout == CheckoutConfirming {
			after, follows = CheckoutRefunding, true
		}
	case PaymentRequestedType:
		after, follows = CheckoutPaying, checkout == CheckoutReserved
	case PaymentDeclinedType:
		after, follows = CheckoutDeclined, checkout == CheckoutPaying
	case PaymentVoidedType:
		after, follows = CheckoutReserved, checkout == CheckoutDeclined
		if checkout == CheckoutVoiding {
			after, follows = CheckoutReleasing, true
		}
	case ConfirmedType:
		after, follows = CheckoutConfirmed, checkout == CheckoutConfirming
	case ReleasedType:
		after, follows = CheckoutReleased, checkout == CheckoutReleasing || status == StatusCancelled && checkout == CheckoutNone
	default:
		return status, checkout, fmt.Errorf("%w %q", event.ErrUnknownType, eventType)
	}
	if !follows {
		return status, checkout, cannotFollow(status, checkout, eventType)
	}
	return next, after, nil
}

func cannotFollow(status Status, checkout Checkout, eventType string) error {
	if checkout == CheckoutNone {
		return fmt.Errorf("%s cannot follow status %q", eventType, status)
	}
	return fmt.Errorf("%s cannot follow status %q with checkout %s", eventType, status, checkout)
}
