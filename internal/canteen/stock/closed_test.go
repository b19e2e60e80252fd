package stock_test

import (
	"testing"

	"gakushoku/internal/canteen/stock"
	"gakushoku/internal/event"
)

func TestStockIsClosedOnceItsDayIsOver(t *testing.T) {
	t.Parallel()
	for now, want := range map[string]bool{
		"2026-01-24T00:00:00+09:00": false, "2026-01-24T23:59:59+09:00": false, "2026-01-25T00:00:00+09:00": true, "2026-01-23T12:00:00Z": false,
	} {
		at, err := event.ParseInstant(now)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := stock.Closing().Closed(stock.Stream("2026-01-24", "curry"), nil, at); got != want || err != nil {
			t.Errorf("at %s: %t, %v", now, got, err)
		}
	}
}
