package order_test

import (
	"fmt"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/event"
)

// A decider is two pure functions: Decide returns the events that a command leads to, or refuses it;
// Evolve returns the state after an event.
func Example() {
	total := int64(780)
	var state order.State
	for _, c := range []order.Command{
		order.PlaceOrder{OrderID: "o1", Total: &total},
		order.PayOrder{Method: order.MethodCash},
		order.PayOrder{Method: order.MethodCash},
	} {
		payloads, err := order.Decide(state, c)
		if err != nil {
			fmt.Println(c.CommandName(), "is refused")
		}
		for _, p := range payloads {
			e, err := event.New(p)
			if err == nil {
				state, err = order.Evolve(state, &e)
			}
			fmt.Println(e.Type, "->", state.Status, err)
		}
	}
	// Output:
	// OrderPlaced -> ORDERED <nil>
	// OrderPaid -> PAID <nil>
	// PayOrder is refused
}
