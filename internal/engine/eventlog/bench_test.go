package eventlog_test

import (
	"testing"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
)

func BenchmarkCommit(b *testing.B) {
	l := newLog()
	a := l.archiver(l.ledger, l.blobs)
	batch := records("s", 0, 10_000)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		batch[0].Source = records("b", n, 1)[0].Source
		if _, err := a.Commit(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(batch))/b.Elapsed().Seconds(), "events/s")
}

// readBench is a log of readEvents events.
func readBench(b *testing.B) *log {
	l := newLog()
	a := l.archiver(l.ledger, l.blobs)
	for n := range 10 {
		if _, err := a.Commit(b.Context(), records("s", n*10_000, 10_000)); err != nil {
			b.Fatal(err)
		}
	}
	return l
}

const readEvents = 100_000

func BenchmarkReadFrame(b *testing.B) {
	l := readBench(b)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		err := l.reader().Manifests(b.Context(), 0, readEvents, func(m *eventlog.Manifest) error {
			for _, f := range m.Frames {
				lines, err := l.reader().ReadFrame(b.Context(), m, f, buf)
				if err != nil {
					return err
				}
				buf = lines
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*readEvents/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkEvents(b *testing.B) {
	l := readBench(b)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		err := l.reader().Events(b.Context(), 0, readEvents, func(uint64, *event.Event) error { n++; return nil })
		if err != nil || n != readEvents {
			b.Fatalf("%d events, %v", n, err)
		}
	}
	b.ReportMetric(float64(b.N)*readEvents/b.Elapsed().Seconds(), "events/s")
}
