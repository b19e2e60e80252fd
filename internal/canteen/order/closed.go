package order

// Closed reports whether nothing is expected to happen to an order any more: it was picked up, called off or
// turned down, and nothing is left to undo. It may still be refunded.
func Closed(s State) bool {
	switch s.Checkout {
	case CheckoutNone, CheckoutConfirmed, CheckoutReleased:
		return s.Status == StatusPickedUp || s.Status == StatusCancelled || s.Status == StatusRejected
	}
	return false
}
