package embedded

import "gakushoku/internal/canteen/order"

// Follow is the state machine that imported streams must follow.
func Follow(status, eventType string) (string, error) {
	next, err := order.Next(order.Status(status), eventType)
	return string(next), err
}
