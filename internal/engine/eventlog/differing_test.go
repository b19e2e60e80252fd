package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
)

// storeOf is an event store with these streams.
type storeOf map[string][]event.Event

func (s storeOf) Load(_ context.Context, stream string, _ uint64) ([]event.Event, error) {
	return s[stream], nil
}

func (s storeOf) LoadMany(context.Context, []string) (map[string][]event.Event, error) { return s, nil }

func TestTheLogContradictsEventsThatWereChanged(t *testing.T) {
	t.Parallel()
	l := written(t, 6)
	events := l.read(t)
	store := storeOf{}
	for _, e := range events {
		store[e.Stream] = append(store[e.Stream], e)
	}
	changed := events[len(events)-1].Stream
	compare := func() map[string]string {
		got, err := l.reader().Differing(t.Context(), store, []string{changed})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := compare(); len(got) != 0 {
		t.Errorf("nothing was changed: %v", got)
	}
	last := &store[changed][len(store[changed])-1]
	for name, change := range map[string]func(*event.Event){
		"payload": func(e *event.Event) { e.Payload = []byte(`{"orderId":"x","total":999}`) },
		"type":    func(e *event.Event) { e.Type = "Another" },
		"id":      func(e *event.Event) { e.ID += "x" },
		"time":    func(e *event.Event) { e.OccurredAt++ },
	} {
		before := *last
		change(last)
		want := map[string]string{changed: fmt.Sprintf("version %d (event ", before.Version) + before.ID + " in the log) differs between store and log"}
		if diff := cmp.Diff(want, compare()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		*last = before
	}
	next := *last
	next.Version++ // on its way into the log
	store[changed] = append(store[changed], next)
	store["order-nobody"] = []event.Event{next}
	if got := compare(); len(got) != 0 {
		t.Errorf("events that the log does not have yet: %v", got)
	}
}

func TestOnlyThePartitionsOfTheComparedStreamsAreRead(t *testing.T) {
	t.Parallel()
	l := written(t, 3)
	events := l.read(t)
	stream, frames := events[0].Stream, 0
	manifests, err := l.ledger.Manifests(t.Context(), 0, 9)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range manifests {
		for _, f := range m.Frames {
			if f.Partition == eventlog.PartitionOf(stream) {
				frames++
			}
		}
	}
	reads := &countedBlobs{BlobReader: l.blobs}
	reader := &eventlog.Reader{Ledger: l.ledger, Blobs: reads}
	if _, err := reader.WholeHead(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := 2*reads.count + frames
	got, err := reader.Differing(t.Context(), storeOf{stream: events[:1]}, []string{stream})
	if err != nil || len(got) > 0 {
		t.Errorf("differing %v, %v", got, err)
	}
	if reads.count != want {
		t.Errorf("%d reads, want %d: one for each of %d frames", reads.count, want, frames)
	}
}

func TestStreamsAreNotComparedWithALogThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		lose func(*testing.T, *log) eventlog.Reader
		want error
	}{
		"a segment is gone": {func(t *testing.T, l *log) eventlog.Reader {
			manifests, err := l.ledger.Manifests(t.Context(), 0, 1)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.blobs.Delete(t.Context(), manifests[0].Key); err != nil {
				t.Fatal(err)
			}
			return *l.reader()
		}, eventlog.ErrNoBlob},
		"the ledger is gone": {func(_ *testing.T, l *log) eventlog.Reader {
			return eventlog.Reader{Ledger: newLog().ledger, Blobs: l.blobs}
		}, eventlog.ErrLedgerBehind},
	} {
		l := written(t, 2)
		first := l.read(t)[0]
		reader := test.lose(t, l)
		got, err := reader.Differing(t.Context(), storeOf{first.Stream: {first}}, []string{first.Stream})
		if !errors.Is(err, test.want) || got != nil || !strings.Contains(err.Error(), "comparing streams with the log") {
			t.Errorf("%s: differing %v, %v, want %v", name, got, err, test.want)
		}
	}
}
