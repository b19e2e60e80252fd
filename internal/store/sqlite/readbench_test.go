package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/store/sqlite"
)

const (
	readBenchStreams = 60_000
	readBenchPage    = 500 // as verification reads
)

// BenchmarkLoadMany reads all streams, 500 at a time. Their events were appended a hundred
// streams at a time, so that those of one lie apart, as they do in a canteen.
func BenchmarkLoadMany(b *testing.B) {
	s, err := sqlite.OpenEvents(b.Context(), filepath.Join(b.TempDir(), "events.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var pages [][]string
	err = s.AppendAll(b.Context(), func(add func(string, uint64, []event.Event) error) error {
		for first := 0; first < readBenchStreams; first += 100 {
			for version := range uint64(5) {
				for i := first; i < first+100; i++ {
					if err := add(fmt.Sprintf("order-%026d", i), version, []event.Event{benchEvent(fmt.Sprintf("%026d", i))}); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for cursor := ""; ; {
		names, next, err := s.Streams(b.Context(), eventstore.All, cursor, readBenchPage)
		if err != nil {
			b.Fatal(err)
		}
		pages = append(pages, names)
		if cursor = next; next == "" {
			break
		}
	}
	b.ReportAllocs()
	cpu := cpuTime(b)
	b.ResetTimer()
	for range b.N {
		for _, page := range pages {
			if _, err := s.LoadMany(b.Context(), page); err != nil {
				b.Fatal(err)
			}
		}
	}
	total := float64(b.N * readBenchStreams * 5)
	b.ReportMetric(total/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/total, "cpu-ns/event")
}

// BenchmarkScan reads all rows of a filled table, 500 at a time.
func BenchmarkScan(b *testing.B) {
	s := sqlite.OpenTables(b.TempDir())
	defer s.Close()
	table := projection.Table{Projection: "orders", Version: 1}
	if err := s.Create(b.Context(), table); err != nil {
		b.Fatal(err)
	}
	for _, part := range benchParts(readBenchStreams, 8) {
		if _, err := s.PutPart(b.Context(), table, part); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Finish(b.Context(), table); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	cpu := cpuTime(b)
	b.ResetTimer()
	for range b.N {
		rows := 0
		for cursor := ""; ; {
			records, next, err := s.Scan(b.Context(), table, eventstore.All, cursor, readBenchPage)
			if err != nil {
				b.Fatal(err)
			}
			rows += len(records)
			if cursor = next; next == "" {
				break
			}
		}
		if rows != readBenchStreams {
			b.Fatal(rows)
		}
	}
	total := float64(b.N * readBenchStreams)
	b.ReportMetric(total/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64((cpuTime(b)-cpu).Nanoseconds())/total, "cpu-ns/row")
}
