package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/event"
	"gakushoku/internal/eventlog"
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
	manifests, err := l.ledger.Manifests(t.Context(), 0, 9)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.blobs.Delete(t.Context(), manifests[0].Key); err != nil {
		t.Fatal(err)
	}
	if _, err := l.reader().Differing(t.Context(), storeOf{events[0].Stream: events[:1]}, nil); err != nil && !errors.Is(err, eventlog.ErrNoBlob) {
		t.Errorf("without a segment: %v", err)
	}
}
