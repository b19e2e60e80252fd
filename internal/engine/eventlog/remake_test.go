package eventlog_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
)

func TestALostSegmentIsRemadeOnlyFromItsOwnEvents(t *testing.T) {
	t.Parallel()
	var events []event.Event
	for _, r := range records("s", 0, 10) { // in the order of the batch that was committed
		events = append(events, r.Event)
	}
	other := slices.Clone(events)
	other[4].Payload = []byte(`{"orderId":"o1","total":781}`)
	for name, test := range map[string]struct {
		events []event.Event
		change func(*eventlog.Manifest)
		put    error
		want   error
	}{
		"its events":           {events: events},
		"no events":            {want: eventlog.ErrOtherEvents},
		"one too few":          {events: events[:9], want: eventlog.ErrOtherEvents},
		"one that was changed": {events: other, want: eventlog.ErrOtherEvents},
		"another size":         {events: events, change: func(m *eventlog.Manifest) { m.Bytes++ }, want: eventlog.ErrOtherEvents},
		"another digest":       {events: events, change: func(m *eventlog.Manifest) { m.SHA256 = m.Frames[0].SHA256 }, want: eventlog.ErrOtherEvents},
		"blobs that take none": {events: events, put: errBusy, want: errBusy},
	} {
		l := written(t, 1)
		manifests, err := l.ledger.Manifests(t.Context(), 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		m := manifests[0]
		before, err := l.blobs.Get(t.Context(), m.Key)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.blobs.Delete(t.Context(), m.Key); err != nil {
			t.Fatal(err)
		}
		if test.change != nil {
			test.change(&m)
		}
		blobs := &shaky{blobs: l.blobs, before: func(string) error { return test.put }, after: never}
		if err := eventlog.Remake(t.Context(), blobs, &m, test.events); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		after, err := l.blobs.Get(t.Context(), m.Key)
		if test.want != nil {
			if !errors.Is(err, eventlog.ErrNoBlob) {
				t.Errorf("%s: %d bytes were put back, %v", name, len(after), err)
			}
			continue
		}
		if diff := cmp.Diff(before, after); diff != "" || err != nil {
			t.Errorf("%s: %v (-before +after):\n%s", name, err, diff)
		}
	}
}
