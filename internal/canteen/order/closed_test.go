package order_test

import (
	"testing"

	"gakushoku/internal/canteen/order"
)

func TestAnOrderIsClosedOnceNothingIsLeftToDo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status   order.Status
		checkout order.Checkout
		want     bool
	}{
		{"", "", false}, {order.StatusOrdered, order.CheckoutNone, false}, {order.StatusReady, order.CheckoutConfirmed, false},
		{order.StatusPickedUp, order.CheckoutNone, true}, {order.StatusPickedUp, order.CheckoutConfirmed, true},
		{order.StatusCancelled, order.CheckoutNone, true}, {order.StatusCancelled, order.CheckoutReleased, true},
		{order.StatusCancelled, order.CheckoutRefunding, false}, {order.StatusRejected, order.CheckoutReleasing, false},
		{order.StatusRejected, order.CheckoutReleased, true},
	} {
		if got := order.Closed(order.State{Status: c.status, Checkout: c.checkout}); got != c.want {
			t.Errorf("%q with checkout %q: %t", c.status, c.checkout, got)
		}
	}
}
