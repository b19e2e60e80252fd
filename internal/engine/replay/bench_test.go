package replay_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/rs/zerolog"

	"gakushoku/internal/engine/replay"
)

// canteenLog is the log of orders that go through the kitchen, ten at a time.
func canteenLog(orders int) []byte {
	var log bytes.Buffer
	for first := 0; first < orders; first += 10 {
		for _, step := range []string{"OrderPlaced", "OrderPaid", "OrderPreparationStarted", "OrderReady"} {
			for i := range 10 {
				id := fmt.Sprintf("01KFPMSV005669FBH3%08d", first+i)
				more := ""
				switch step {
				case "OrderPlaced":
					more = `,"total":880,"lines":[{"product":"karaage-don","quantity":1,"unitPrice":480},{"product":"miso-soup","quantity":4,"unitPrice":100}]`
				case "OrderPaid":
					more = `,"paidAt":"2026-01-24T00:01:00.000Z","paymentMethod":"CARD"`
				}
				fmt.Fprintln(&log, line("01KFPMSV00PMHN533DPQ42B83M", step, id, more))
			}
		}
	}
	return log.Bytes()
}

func BenchmarkFromReader(b *testing.B) {
	const orders = 100_000
	log := canteenLog(orders)
	for name, eventLog := range map[string]*replay.EventLog{
		"quiet":           nil,
		"a line an event": replay.NewEventLog(io.Discard, zerolog.InfoLevel, "reproject"),
	} {
		b.Run(name, func(b *testing.B) {
			o := options()
			o.Workers, o.EventLog = 0, eventLog
			b.SetBytes(int64(len(log)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := replay.FromReader(b.Context(), bytes.NewReader(log), o)
				if err != nil || r.Len() != orders {
					b.Fatal(r.Len(), err)
				}
			}
			b.ReportMetric(float64(4*orders*b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
