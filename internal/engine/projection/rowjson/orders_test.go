package rowjson_test

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/projection/rowjson"
	"gakushoku/internal/event"
)

// Rows that are stored were written by encoding/json, and are compared byte for byte.
func TestOrdersAreWrittenAsEncodingJSONWritesThem(t *testing.T) {
	t.Parallel()
	text := rapid.OneOf(
		rapid.String(),
		rapid.StringOf(rapid.SampledFrom([]rune("a<>&\"\\\u2028\u2029\ufffd\n\x00\x7fカレー"))),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
	)
	instant := rapid.Map(rapid.Int64Range(-62167219200000, 253402300799999), func(ms int64) event.Instant { return event.InstantOfMilli(ms) })
	optional := rapid.OneOf(rapid.Just(event.Instant(0)), instant)
	line := rapid.Custom(func(t *rapid.T) order.Line {
		return order.Line{Product: text.Draw(t, "product"), Quantity: rapid.Int64().Draw(t, "quantity"), UnitPrice: rapid.Int64().Draw(t, "price")}
	})
	rapid.Check(t, func(t *rapid.T) {
		o := &readmodel.Order{
			OrderID: text.Draw(t, "id"), Total: rapid.Int64().Draw(t, "total"), Status: text.Draw(t, "status"),
			PaymentMethod: order.PaymentMethod(text.Draw(t, "method")), Lines: rapid.SliceOfN(line, 0, 3).Draw(t, "lines"),
			PlacedAt: optional.Draw(t, "placed"), PaidAt: optional.Draw(t, "paid"), PreparingAt: optional.Draw(t, "preparing"),
			ReadyAt: optional.Draw(t, "ready"), PickedUpAt: optional.Draw(t, "picked up"), CancelledAt: optional.Draw(t, "cancelled"), RefundedAt: optional.Draw(t, "refunded"),
		}
		want, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(rowjson.Append(nil, o)); got != string(want) {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	at := event.InstantOfMilli(1769212800000)
	o := &readmodel.Order{
		OrderID: "01KFQ6Z5J3ZK8N3V5T0Q2W4E6R", Total: 1170, Status: readmodel.StatusPickedUp, PaymentMethod: order.MethodCard,
		Lines:    []order.Line{{Product: "カレーライス", Quantity: 2, UnitPrice: 390}, {Product: "味噌汁", Quantity: 1, UnitPrice: 390}},
		PlacedAt: at, PaidAt: at, PreparingAt: at, ReadyAt: at, PickedUpAt: at,
	}
	b.Run("Append", func(b *testing.B) {
		var dst []byte
		for b.Loop() {
			dst = rowjson.Append(dst[:0], o)
		}
	})
	b.Run("json.Marshal", func(b *testing.B) {
		for b.Loop() {
			if _, err := json.Marshal(o); err != nil {
				b.Fatal(err)
			}
		}
	})
}
