package readmodel_test

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/event"
)

// Rows that are stored were written by encoding/json, and are compared byte for byte.
func TestRowsAreWrittenAsEncodingJSONWritesThem(t *testing.T) {
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
		if got := string(o.AppendJSON(nil)); got != string(want) {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	})
}

func TestABusinessDayIsADayInTokyo(t *testing.T) {
	t.Parallel()
	tokyo := time.FixedZone("Asia/Tokyo", 9*60*60)
	rapid.Check(t, func(t *rapid.T) {
		at := event.InstantOfMilli(rapid.OneOf(
			rapid.Int64Range(-62167219200000, 253402300799999),
			rapid.Map(rapid.Int64Range(0, 2932896), func(day int64) int64 { return day*86_400_000 - 9*3_600_000 - day%2 }), // midnight in Tokyo, and just before
		).Draw(t, "instant"))
		if got, want := readmodel.BusinessDay(at), at.Time().In(tokyo).Format("2006-01-02"); got != want {
			t.Fatalf("%s: %s, want %s", at, got, want)
		}
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	at := event.InstantOfMilli(1769212800000)
	o := &readmodel.Order{
		OrderID: "01KFQ6Z5J3ZK8N3V5T0Q2W4E6R", Total: 1170, Status: readmodel.StatusPickedUp, PaymentMethod: order.MethodCard,
		Lines:    []order.Line{{Product: "カレーライス", Quantity: 2, UnitPrice: 390}, {Product: "味噌汁", Quantity: 1, UnitPrice: 390}},
		PlacedAt: at, PaidAt: at, PreparingAt: at, ReadyAt: at, PickedUpAt: at,
	}
	b.Run("AppendJSON", func(b *testing.B) {
		var dst []byte
		for b.Loop() {
			dst = o.AppendJSON(dst[:0])
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
