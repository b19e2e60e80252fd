package eventlog_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/retry"
	"gakushoku/internal/store/memory"
)

// records is so many records of a source, of a few streams.
func records(source string, from, count int) []eventlog.Record {
	all := make([]eventlog.Record, count)
	for i := range all {
		n := from + i
		stream := fmt.Sprintf("order-%s-%d", source, n%7)
		all[i] = eventlog.Record{Source: source + "/" + strconv.Itoa(n), Event: event.Event{
			ID: fmt.Sprintf("%s-%d", source, n), Type: order.PlacedType, OccurredAt: event.InstantOfMilli(int64(1769212800000 + n)), CorrelationID: "c1",
			Payload: []byte(`{"orderId":"o1","total":780}`), Stream: stream, Version: uint64(n/7) + 1, Schema: 1,
		}}
	}
	return all
}

// tester is a test, or one of many runs of a property.
type tester interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// log is a log in memory.
type log struct {
	ledger *memory.Ledger
	blobs  *memory.Blobs
	ids    atomic.Int64
}

func newLog() *log { return &log{ledger: memory.NewLedger(), blobs: memory.NewBlobs()} }

func (l *log) reader() *eventlog.Reader { return &eventlog.Reader{Ledger: l.ledger, Blobs: l.blobs} }

// archiver does not pause and lets every id be another.
func (l *log) archiver(ledger eventlog.Ledger, blobs eventlog.Blobs) *eventlog.Archiver {
	return &eventlog.Archiver{
		Ledger: ledger, Blobs: blobs, Now: func() time.Time { return time.UnixMilli(1769212800000) },
		NewID:   func() string { return fmt.Sprintf("%026d", l.ids.Add(1)) },
		Retries: retry.Policy{Tries: eventlog.DefaultRetries.Tries},
	}
}

// read is every event of the log, which must be dense.
func (l *log) read(t tester) []event.Event {
	t.Helper()
	head, err := l.ledger.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []event.Event
	err = l.reader().Events(t.Context(), 0, head.Number, func(number uint64, e *event.Event) error {
		all = append(all, e.Clone())
		if number != uint64(len(all)) {
			t.Errorf("event %d comes as number %d", len(all), number)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if uint64(len(all)) != head.Number {
		t.Errorf("%d events are in the log, its head is %d", len(all), head.Number)
	}
	return all
}

// wantManifests wants each manifest beside its segment, as it is in the ledger.
func (l *log) wantManifests(t tester) {
	t.Helper()
	manifests, err := l.ledger.Manifests(t.Context(), 0, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	listed, err := l.blobs.List(t.Context(), eventlog.ManifestFolder, "", 100_000)
	if err != nil || len(listed) != len(manifests) {
		t.Fatalf("%d manifests are beside %d segments, %v", len(listed), len(manifests), err)
	}
	for i, m := range manifests {
		raw, err := l.blobs.Get(t.Context(), listed[i].Key)
		if err != nil {
			t.Fatal(err)
		}
		var beside eventlog.Manifest
		if err := json.Unmarshal(raw, &beside); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, beside); diff != "" {
			t.Errorf("the manifest beside segment %d (-ledger +beside):\n%s", m.First, diff)
		}
	}
}

// counts is how often the log has each event.
func counts(events []event.Event) map[string]int {
	n := map[string]int{}
	for i := range events {
		n[events[i].ID]++
	}
	return n
}

// errCrash is the end of a process, as the code in it sees that: nothing works any more.
var errCrash = errors.New("crash")

// errBusy is an answer that was lost.
var errBusy = fault.Unavailable(errors.New("busy"))

// shaky is a ledger and blobs that call before ahead of each call and after behind it. What
// they return is the answer, but the call has its effect unless before failed.
type shaky struct {
	ledger        eventlog.Ledger
	blobs         eventlog.Blobs
	before, after func(call string) error
}

func through[T any](s *shaky, call string, f func() (T, error)) (T, error) {
	var none T
	if err := s.before(call); err != nil {
		return none, err
	}
	got, err := f()
	if failed := s.after(call); failed != nil {
		return none, failed
	}
	return got, err
}

func (s *shaky) Head(ctx context.Context) (eventlog.Head, error) {
	return through(s, "Head", func() (eventlog.Head, error) { return s.ledger.Head(ctx) })
}

func (s *shaky) Claimed(ctx context.Context, source string) (eventlog.Claim, error) {
	return through(s, "Claimed", func() (eventlog.Claim, error) { return s.ledger.Claimed(ctx, source) })
}

func (s *shaky) Commit(ctx context.Context, c eventlog.Commit) error {
	_, err := through(s, "Commit", func() (bool, error) { return true, s.ledger.Commit(ctx, c) })
	return err
}

func (s *shaky) Manifests(ctx context.Context, after uint64, limit int) ([]eventlog.Manifest, error) {
	return through(s, "Manifests", func() ([]eventlog.Manifest, error) { return s.ledger.Manifests(ctx, after, limit) })
}

func (s *shaky) Restore(ctx context.Context, manifests []eventlog.Manifest) error {
	_, err := through(s, "Restore", func() (bool, error) { return true, s.ledger.Restore(ctx, manifests) })
	return err
}

func (s *shaky) Put(ctx context.Context, key string, data []byte) error {
	_, err := through(s, "Put", func() (bool, error) { return true, s.blobs.Put(ctx, key, data) })
	return err
}

func (s *shaky) Create(ctx context.Context, key string, data []byte) error {
	_, err := through(s, "Create", func() (bool, error) { return true, s.blobs.Create(ctx, key, data) })
	return err
}

func (s *shaky) Delete(ctx context.Context, key string) error {
	_, err := through(s, "Delete", func() (bool, error) { return true, s.blobs.Delete(ctx, key) })
	return err
}

func (s *shaky) Get(ctx context.Context, key string) ([]byte, error) {
	return through(s, "Get", func() ([]byte, error) { return s.blobs.Get(ctx, key) })
}

func (s *shaky) GetRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	return through(s, "GetRange", func() ([]byte, error) { return s.blobs.GetRange(ctx, key, offset, length) })
}

func (s *shaky) List(ctx context.Context, prefix, after string, limit int) ([]eventlog.Blob, error) {
	return through(s, "List", func() ([]eventlog.Blob, error) { return s.blobs.List(ctx, prefix, after, limit) })
}

func never(string) error { return nil }
