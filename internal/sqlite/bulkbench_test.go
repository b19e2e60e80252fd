package sqlite_test

import (
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"gakushoku/internal/projection"
	"gakushoku/internal/readmodel"
	"gakushoku/internal/sqlite"
)

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
			var data []byte
			for _, i := range streams[p] {
				at := time.UnixMilli(1769212800000 + int64(i)*700).UTC()
				text := at.Format("2006-01-02T15:04:05.000Z")
				data = fmt.Appendf(data[:0], `{"orderId":"%026d","total":780,"status":"PICKED_UP","paymentMethod":"CARD","lines":[{"product":"karaage-don","quantity":1,"unitPrice":480},{"product":"miso-soup","quantity":3,"unitPrice":100}],"placedAt":%q,"paidAt":%q,"preparingAt":%q,"readyAt":%q,"pickedUpAt":%q}`, i, text, text, text, text, text)
				if !yield(projection.Record{
					Stream: fmt.Sprintf("order-%026d", i), Version: 5, Data: data,
					Place: readmodel.Place{Bucket: text[:10], Sort: text + fmt.Sprintf("#%026d", i)},
				}, nil) {
					return
				}
			}
		}, Totals: func() []readmodel.Contribution {
			return []readmodel.Contribution{{Key: "2026-01-24", Field: "orders", Amount: int64(len(streams[p]))}}
		}}
	}
	return all
}

// cpuTime is what this process has used of the processors.
func cpuTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
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
				cpu += cpuTime(b) - startCPU
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				if info, err := os.Stat(filepath.Join(dir, "orders-v1.db")); err == nil {
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
