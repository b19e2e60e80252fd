package backup_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/backup"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
	"gakushoku/internal/store/memory"
)

var began = time.Date(2026, 1, 24, 3, 0, 0, 0, time.UTC)

// world is an installation in memory, and a place for its backups.
type world struct {
	testing.TB
	now      time.Time
	events   []event.Event // that were archived, in the order of the log
	versions map[string]uint64
	ids      int

	ledger   *memory.Ledger
	blobs    *memory.Blobs
	control  *memory.Control
	subjects *memory.SubjectKeys
	place    *memory.Blobs
}

func newWorld(t testing.TB) *world {
	w := &world{TB: t, now: began, versions: map[string]uint64{}, ledger: memory.NewLedger(), blobs: memory.NewBlobs(), control: memory.NewControl(), subjects: memory.NewSubjectKeys()}
	w.blobs.Now = func() time.Time { return w.now }
	w.place = &memory.Blobs{Now: func() time.Time { return w.now }}
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) id() string { w.ids++; return fmt.Sprintf("id%04d", w.ids) }

// take archives a segment with so many events, a second apart.
func (w *world) take(count int) {
	w.Helper()
	var batch []eventlog.Record
	for range count {
		w.now = w.now.Add(time.Second)
		stream := fmt.Sprintf("thing-%d", w.ids%7)
		w.versions[stream]++
		e := event.Event{
			ID: w.id(), Type: "Happened", OccurredAt: event.InstantOf(w.now), CorrelationID: "c", Payload: []byte(`{"n":1}`),
			Stream: stream, Version: w.versions[stream], Schema: 1,
		}
		batch = append(batch, eventlog.Record{Source: e.ID, Event: e})
	}
	slices.SortStableFunc(batch, func(a, b eventlog.Record) int {
		return eventlog.PartitionOf(a.Event.Stream) - eventlog.PartitionOf(b.Event.Stream)
	})
	for _, r := range batch {
		w.events = append(w.events, r.Event)
	}
	_, err := w.archiver(w.ledger, w.blobs).Commit(w.Context(), batch)
	w.must(err)
}

func (w *world) archiver(ledger eventlog.Ledger, blobs eventlog.Blobs) *eventlog.Archiver {
	return &eventlog.Archiver{Ledger: ledger, Blobs: blobs, Now: func() time.Time { return w.now }, NewID: w.id}
}

func (w *world) source() *backup.Source {
	return &backup.Source{
		ID: "here", Program: "test", Flush: func(context.Context) error { return nil },
		Log: &eventlog.Reader{Ledger: w.ledger, Blobs: w.blobs}, Credentials: w.control, Subjects: w.subjects,
		Settings: func(context.Context) (map[string]string, error) { return map[string]string{"audit.pub": "public"}, nil },
		Now:      func() time.Time { return w.now }, NewID: w.id,
	}
}

func (w *world) create() *backup.Catalogue {
	w.Helper()
	c, err := w.source().Create(w.Context(), w.place)
	w.must(err)
	return c
}

// keys returns the objects of the place.
func (w *world) keys() (keys []string) {
	listed, err := w.place.List(w.Context(), "", "", 10_000)
	w.must(err)
	for _, b := range listed {
		keys = append(keys, b.Key)
	}
	return keys
}

func (w *world) wantSound(c *backup.Catalogue, deep bool) {
	w.Helper()
	r, err := backup.Verify(w.Context(), w.place, c, deep, nil)
	if err != nil || !r.Sound {
		w.Errorf("%+v %v", r, err)
	}
}

// restored is an installation in memory that a backup is restored into.
type restored struct {
	ledger   *memory.Ledger
	blobs    *memory.Blobs
	control  *memory.Control
	subjects *memory.SubjectKeys
	stored   []event.Event
	settings map[string]string
	backup.Restored
}

func (r *restored) Load(_ context.Context, events []event.Event) error {
	r.stored = append(r.stored, events...)
	return nil
}

func (w *world) restore(c *backup.Catalogue, p backup.Point) (*restored, error) {
	r := &restored{ledger: memory.NewLedger(), blobs: memory.NewBlobs(), control: memory.NewControl(), subjects: memory.NewSubjectKeys()}
	done, err := backup.Restore(w.Context(), w.place, c, p, &backup.Target{
		Blobs: r.blobs, Ledger: r.ledger, Archiver: w.archiver(r.ledger, r.blobs), Store: r, Credentials: r.control, SubjectKeys: r.subjects,
		Settings: func(_ context.Context, s map[string]string) error { r.settings = s; return nil },
	})
	if err == nil {
		r.Restored = *done
	}
	return r, err
}

// logOf reads a whole log.
func (w *world) logOf(ledger eventlog.Ledger, blobs eventlog.Blobs) (events []event.Event) {
	w.Helper()
	reader := &eventlog.Reader{Ledger: ledger, Blobs: blobs}
	head, err := reader.WholeHead(w.Context())
	w.must(err)
	w.must(reader.Events(w.Context(), 0, head.Number, func(number uint64, e *event.Event) error {
		if number != uint64(len(events))+1 {
			w.Errorf("event %d follows on %d", number, len(events))
		}
		events = append(events, e.Clone())
		return nil
	}))
	return events
}

func (w *world) wantSame(what string, want, got any) {
	w.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		w.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
