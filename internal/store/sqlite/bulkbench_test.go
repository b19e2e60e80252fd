package sqlite_test

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/store/sqlite"
)

// benchOrder is an order of two lines that went through the kitchen.
var benchOrder = readmodel.Order{
	Total: 780, Status: readmodel.StatusPickedUp, PaymentMethod: order.MethodCard,
	Lines: []order.Line{{Product: "karaage-don", Quantity: 1, UnitPrice: 480}, {Product: "miso-soup", Quantity: 3, UnitPrice: 100}},
}

// benchParts is rows of orders as a bulk replay brings them: parts by a hash of the stream,
// each in the order in which orders were placed, their data made when they are asked for.
func benchParts(rows, parts int) []projection.BulkPart {
	streams := make([][]int, parts)
	for i := range rows {
		h := fnv.New32a()
		fmt.Fprintf(h, "order-%026d", i)
		p := int(h.Sum32()) % parts
		streams[p] = append(streams[p], i)
	}
	all := make([]projection.BulkPart, parts)
	for p := range all {
		all[p] = projection.BulkPart{Name: fmt.Sprint(p), Rows: func(yield func(projection.Record, error) bool) {
			row := benchOrder
			for _, i := range streams[p] {
				at := event.InstantOfMilli(1769212800000 + int64(i)*700)
				row.OrderID = fmt.Sprintf("%026d", i)
				row.PlacedAt, row.PaidAt, row.PreparingAt, row.ReadyAt, row.PickedUpAt = at, at, at, at, at
				place := row.Place()
				data, err := json.Marshal(&row)
				if !yield(projection.Record{Stream: "order-" + row.OrderID, Version: 5, Data: data, Place: place}, err) {
					return
				}
			}
		}, Totals: func() []model.Contribution {
			return []model.Contribution{{Key: "2026-01-24", Field: "orders", Amount: int64(len(streams[p]))}}
		}}
	}
	return all
}

// BenchmarkBulk fills a table version, one part after the other, and finishes it.
func BenchmarkBulk(b *testing.B) {
	for _, rows := range []int{200_000, 1_000_000} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			parts := benchParts(rows, 16)
			var put, finish, cpu time.Duration
			for range b.N {
				dir := b.TempDir()
				s := sqlite.OpenTables(dir)
				table := projection.Table{Projection: "orders", Version: 1}
				if err := s.Create(b.Context(), table); err != nil {
					b.Fatal(err)
				}
				making := cpuTime(b) // of the rows, which is not the sink's affair
				for _, part := range parts {
					for range part.Rows {
					}
				}
				making = cpuTime(b) - making
				start, startCPU := time.Now(), cpuTime(b)
				for _, part := range parts {
					if _, err := s.PutPart(b.Context(), table, part); err != nil {
						b.Fatal(err)
					}
				}
				put += time.Since(start)
				start = time.Now()
				if err := s.Finish(b.Context(), table); err != nil {
					b.Fatal(err)
				}
				finish += time.Since(start)
				cpu += cpuTime(b) - startCPU - making
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				if info, err := os.Stat(filepath.Join(dir, "orders-v1.filled.db")); err == nil {
					b.ReportMetric(float64(info.Size())/float64(rows), "file-bytes/row")
				}
			}
			total := float64(rows * b.N)
			b.ReportMetric(total/put.Seconds(), "put-rows/s")
			b.ReportMetric(total/finish.Seconds(), "finish-rows/s")
			b.ReportMetric(total/(put+finish).Seconds(), "rows/s")
			b.ReportMetric(float64(cpu.Nanoseconds())/total, "cpu-ns/row")
		})
	}
}
