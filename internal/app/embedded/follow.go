package embedded

import "gakushoku/internal/canteen/order"

// Follow is the state machine of the streams that this system has, for an import.
func Follow(status, eventType string) (string, error) {
	next, err := order.Next(order.Status(status), eventType)
	return string(next), err
}
