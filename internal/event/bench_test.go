package event_test

import (
	"testing"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/event"
)

var benchLines = map[string]string{
	"placed": `{"eventId":"01KFQY3V8N4T6Z0J5W2R9XCDAE","type":"OrderPlaced","occurredAt":"2026-01-24T00:00:00.000Z","correlationId":"c-91ab34f0","payload":{"orderId":"01KFQY3V8N4T6Z0J5W2R9XCDAF","total":780,"lines":[{"product":"karaage-don","quantity":1,"unitPrice":480},{"product":"miso-soup","quantity":3,"unitPrice":100}]}}`,
	"paid":   `{"eventId":"01KFQY3V8N4T6Z0J5W2R9XCDAE","type":"OrderPaid","occurredAt":"2026-01-24T00:00:00.000Z","correlationId":"c-91ab34f0","payload":{"orderId":"01KFQY3V8N4T6Z0J5W2R9XCDAF","paidAt":"2026-01-24T00:01:00.000Z"}}`,
}

func BenchmarkDecode(b *testing.B) {
	for name, line := range benchLines {
		b.Run(name, func(b *testing.B) {
			text := []byte(line)
			d := event.NewDecoder()
			var e event.Event
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				d.Reset()
				if err := d.Decode(text, &e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecodePayload(b *testing.B) {
	for name, line := range benchLines {
		b.Run(name, func(b *testing.B) {
			var e event.Event
			if err := event.Decode([]byte(line), &e); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if name == "placed" {
					var p order.Placed
					err = p.Decode(&e)
				} else {
					var p order.Paid
					err = p.Decode(&e)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
