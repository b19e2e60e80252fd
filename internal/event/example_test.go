package event_test

import (
	"fmt"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/event"
)

// A line of a log becomes an event, and an event a line. What older logs leave out is filled in.
func Example() {
	line := `{"eventId":"e1","type":"OrderPlaced","occurredAt":"2026-01-24T00:00:00.000Z","correlationId":"c1","payload":{"orderId":"o1","total":780}}`
	var e event.Event
	if err := event.Decode([]byte(line), &e); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Stream, e.Schema)
	e.Version = 1
	fmt.Println(string(event.AppendJSON(nil, &e)))
	// Output:
	// order-o1 1
	// {"eventId":"e1","type":"OrderPlaced","occurredAt":"2026-01-24T00:00:00.000Z","correlationId":"c1","payload":{"orderId":"o1","total":780},"stream":"order-o1","version":1,"schema":1}
}

// A payload is decoded from any schema that ever shipped: the first one of OrderPaid had no method.
func ExampleDecodePayload() {
	old := event.Event{Type: order.PaidType, Schema: 1, Payload: []byte(`{"orderId":"o1","paidAt":"2026-01-24T03:00:00.000Z"}`)}
	p, err := event.DecodePayload(&old)
	fmt.Println(p.(order.Paid).Method, err)
	// Output: UNKNOWN <nil>
}
