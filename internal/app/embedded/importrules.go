package embedded

import "gakushoku/internal/canteen/order"

// Follow returns the status that an imported event leads to. Imported streams must follow this state machine.
func Follow(status, eventType string) (string, error) {
	next, err := order.Next(order.Status(status), eventType)
	return string(next), err
}
