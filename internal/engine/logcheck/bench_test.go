package logcheck_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/event"
	"gakushoku/internal/store/files"
	"gakushoku/internal/store/sqlite"
)

// The size of the store and log that are verified.
const (
	benchStreams = 20_000
	benchEvents  = 5 // of each
)

// benchLog is a store and a log on disk that hold the same.
func benchLog(b *testing.B) *logcheck.Log {
	b.Helper()
	dir := b.TempDir()
	store, err := sqlite.OpenEvents(b.Context(), filepath.Join(dir, "events.db"))
	if err != nil {
		b.Fatal(err)
	}
	ledger, err := sqlite.OpenLedger(b.Context(), filepath.Join(dir, "log.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close(); ledger.Close() })
	blobs, err := files.OpenBlobs(filepath.Join(dir, "log"))
	if err != nil {
		b.Fatal(err)
	}
	archiver := &eventlog.Archiver{Ledger: ledger, Blobs: blobs, Now: time.Now, NewID: func() string { return strconv.FormatInt(time.Now().UnixNano(), 36) }}
	var batch []eventlog.Record
	err = store.AppendAll(b.Context(), func(add func(string, uint64, []event.Event) error) error {
		for version := range benchEvents {
			for n := range benchStreams {
				id := fmt.Sprintf("01KFPMSV005669FBH3%08d", n)
				e := []event.Event{{
					ID: fmt.Sprintf("01KFPMSV00PMHN533D%07d%d", n, version), Type: order.PlacedType, OccurredAt: event.InstantOfMilli(int64(1769212800000 + n)), CorrelationID: "c-" + id,
					Payload: []byte(`{"orderId":"` + id + `","total":780}`), Schema: 1,
				}}
				if err := add(order.Stream(id), uint64(version), e); err != nil {
					return err
				}
				batch = append(batch, eventlog.Record{Source: e[0].ID, Event: e[0]})
			}
		}
		return nil
	})
	for len(batch) > 0 && err == nil {
		part := batch[:min(len(batch), eventlog.DefaultSegmentEvents)]
		_, err = archiver.Commit(b.Context(), part)
		batch = batch[len(part):]
	}
	if err != nil {
		b.Fatal(err)
	}
	return &logcheck.Log{Ledger: ledger, Blobs: blobs, Store: store, Now: time.Now}
}

func BenchmarkVerifyDeep(b *testing.B) {
	log := benchLog(b)
	b.ReportAllocs()
	for b.Loop() {
		if r, err := log.Verify(b.Context(), logcheck.Options{Deep: true}); err != nil || !r.Sound {
			b.Fatalf("%+v, %v", r, err)
		}
	}
	b.ReportMetric(float64(b.N)*benchStreams*benchEvents/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkStatsWithRepeats(b *testing.B) {
	log := benchLog(b)
	for b.Loop() {
		if s, err := log.Stats(b.Context(), true); err != nil || *s.Repeats != 0 {
			b.Fatalf("%+v, %v", s, err)
		}
	}
	b.ReportMetric(float64(b.N)*benchStreams*benchEvents/b.Elapsed().Seconds(), "events/s")
}
