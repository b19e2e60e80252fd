package readmodel_test

import (
	"encoding/json"
	"fmt"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/event"
)

// A projection folds one stream's events into a row, and says what the row adds to totals.
func Example() {
	row := readmodel.Orders().NewRow()
	noon := event.InstantOfMilli(1_769_223_600_000)
	for _, p := range []event.Payload{order.Placed{OrderID: "o1", Total: 780}, order.Paid{OrderID: "o1", PaidAt: noon, Method: order.MethodCash}} {
		e, err := event.New(p)
		if err == nil {
			e.OccurredAt = noon
			err = row.Apply(&e)
		}
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	stored, _ := json.Marshal(row)
	fmt.Println(string(stored))
	for _, c := range row.Contributions() {
		fmt.Println(c.Key, c.Field, c.Amount)
	}
	// Output:
	// {"orderId":"o1","total":780,"status":"PAID","paymentMethod":"CASH","placedAt":"2026-01-24T03:00:00.000Z","paidAt":"2026-01-24T03:00:00.000Z"}
	// 2026-01-24 orders 1
	// 2026-01-24 paid 1
	// 2026-01-24 revenue.CASH 780
}
