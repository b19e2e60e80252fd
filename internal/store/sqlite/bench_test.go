package sqlite_test

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/store/sqlite"
)

// benchEvent is an event of a usual size.
func benchEvent(id string) event.Event {
	return event.Event{
		ID: id, Type: order.PlacedType, OccurredAt: event.InstantOfMilli(1769212800123), CorrelationID: "c-91ab34f0", Schema: 2,
		Payload:   []byte(`{"orderId":"01KFQY3V8N4T6Z0J5W2R9XCDAF","total":780,"lines":[{"product":"karaage-don","quantity":1,"unitPrice":480},{"product":"miso-soup","quantity":3,"unitPrice":100}]}`),
		CommandID: "01KFQY3V8N4T6Z0J5W2R9XCDAE", CommandHash: "0123456789abcdef0123456789abcdef", Actor: "user-7",
	}
}

// BenchmarkAppend is acknowledged appends of one event, each to a new stream.
func BenchmarkAppend(b *testing.B) {
	for _, clients := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			s, err := sqlite.OpenEvents(b.Context(), filepath.Join(b.TempDir(), "events.db"))
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			var n atomic.Int64
			b.SetParallelism(clients) // times GOMAXPROCS; set that to 1 with -cpu 1
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					id := fmt.Sprintf("%026d", n.Add(1))
					if err := s.Append(b.Context(), "order-"+id, 0, []event.Event{benchEvent(id)}); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
		})
	}
}

// BenchmarkAppendAll is the events of an import, in one transaction.
func BenchmarkAppendAll(b *testing.B) {
	s, err := sqlite.OpenEvents(b.Context(), filepath.Join(b.TempDir(), "events.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.ResetTimer()
	err = s.AppendAll(b.Context(), func(add func(string, uint64, []event.Event) error) error {
		for i := range b.N {
			id := fmt.Sprintf("%026d", i)
			if err := add("order-"+id, 0, []event.Event{benchEvent(id)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkFeed reads the whole log in pages.
func BenchmarkFeed(b *testing.B) {
	s, err := sqlite.OpenEvents(b.Context(), filepath.Join(b.TempDir(), "events.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const total = 20_000
	err = s.AppendAll(b.Context(), func(add func(string, uint64, []event.Event) error) error {
		for i := range total {
			id := fmt.Sprintf("%026d", i)
			if err := add("order-"+id, 0, []event.Event{benchEvent(id)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	read := 0
	for cursor := ""; read < b.N; {
		events, next, err := s.Read(b.Context(), cursor, 500)
		if err != nil {
			b.Fatal(err)
		}
		read += len(events)
		if cursor = next; len(events) == 0 {
			cursor = ""
		}
	}
	b.ReportMetric(float64(read)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkLoad reads streams of four events.
func BenchmarkLoad(b *testing.B) {
	s, err := sqlite.OpenEvents(b.Context(), filepath.Join(b.TempDir(), "events.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const streams = 1000
	for i := range streams {
		id := fmt.Sprintf("%026d", i)
		if err := s.Append(b.Context(), "order-"+id, 0, []event.Event{benchEvent(id), benchEvent(id), benchEvent(id), benchEvent(id)}); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	for i := range b.N {
		if _, err := s.Load(b.Context(), fmt.Sprintf("order-%026d", i%streams), 0); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWrite is rows written, new ones, each with its totals.
func BenchmarkWrite(b *testing.B) {
	for _, size := range []int{1, projection.MaxWrite} {
		b.Run(fmt.Sprintf("changes=%d", size), func(b *testing.B) {
			s := sqlite.OpenTables(b.TempDir())
			defer s.Close()
			table := projection.Table{Projection: "orders", Version: 1}
			if err := s.Create(b.Context(), table); err != nil {
				b.Fatal(err)
			}
			data := []byte(`{"orderId":"01KFQY3V8N4T6Z0J5W2R9XCDAF","total":780,"status":"ORDERED","lines":[{"product":"karaage-don","quantity":1,"unitPrice":480},{"product":"miso-soup","quantity":3,"unitPrice":100}],"placedAt":"2026-01-24T00:00:00.000Z"}`)
			b.ResetTimer()
			rows := 0
			for range b.N {
				changes := make([]projection.Change, size)
				for i := range changes {
					stream := fmt.Sprintf("order-%026d", rows)
					rows++
					changes[i] = projection.Change{
						Record: projection.Record{Stream: stream, Version: 1, Writes: 1, Data: data, Place: model.Place{Bucket: "2026-01-24", Sort: stream}},
						Totals: []model.Contribution{{Key: "2026-01-24", Field: "orders", Amount: 1}},
					}
				}
				if _, err := s.Write(b.Context(), table, changes); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
