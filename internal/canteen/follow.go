package canteen

import (
	"strings"

	"gakushoku/internal/canteen/menu"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/stock"
)

// Follow returns the status that an imported event leads to. Imported streams must follow the state machine of
// their aggregate. What stock does follows from numbers, not from types, so every type of it may follow.
func Follow(status, eventType string) (string, error) {
	switch {
	case strings.HasPrefix(eventType, order.Rules.Kind.Types):
		return followOrder(status, eventType)
	case strings.HasPrefix(eventType, stock.Rules.Kind.Types):
		return status, nil
	}
	return menu.Next(status, eventType)
}

// followOrder writes an order's status and checkout as one string.
func followOrder(status, eventType string) (string, error) {
	before, checkout, _ := strings.Cut(status, " ")
	next, after, err := order.Next(order.Status(before), order.Checkout(checkout), eventType)
	switch {
	case err != nil:
		return status, err
	case after == order.CheckoutNone:
		return string(next), nil
	}
	return string(next) + " " + string(after), nil
}
