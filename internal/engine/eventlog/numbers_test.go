package eventlog_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
	"gakushoku/internal/store/memory"
)

func TestTheNumbersOfAStreamAreThoseOfTheLog(t *testing.T) {
	t.Parallel()
	l := written(t, 6)
	store := memory.NewEvents()
	want := map[string]map[uint64]uint64{}
	for number, e := range l.read(t) {
		if want[e.Stream] == nil {
			want[e.Stream] = map[uint64]uint64{}
		}
		want[e.Stream][e.Version] = uint64(number) + 1
	}
	for _, r := range records("s", 0, 60) {
		if err := store.Append(t.Context(), r.Event.Stream, r.Event.Version-1, []event.Event{r.Event}); err != nil {
			t.Fatal(err)
		}
	}
	late := records("s", 60, 1)[0].Event // in the store, not yet in the log
	if err := store.Append(t.Context(), late.Stream, late.Version-1, []event.Event{late}); err != nil {
		t.Fatal(err)
	}
	for stream, numbers := range want {
		reads := &countedBlobs{BlobReader: l.blobs}
		n := &eventlog.Numberer{Log: &eventlog.Reader{Ledger: l.ledger, Blobs: reads}, Streams: store}
		got, err := n.Numbers(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(numbers, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", stream, diff)
		}
	}
	reads := &countedBlobs{BlobReader: l.blobs}
	n := &eventlog.Numberer{Log: &eventlog.Reader{Ledger: l.ledger, Blobs: reads}, Streams: store}
	if got, err := n.Numbers(t.Context(), "order-unknown"); err != nil || len(got) != 0 || reads.count != 0 {
		t.Errorf("an unknown stream: %v, %d reads, %v", got, reads.count, err)
	}
}

// countedBlobs counts what is read.
type countedBlobs struct {
	eventlog.BlobReader
	count int
}

func (b *countedBlobs) GetRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	b.count++
	return b.BlobReader.GetRange(ctx, key, offset, length)
}

func TestADamagedSegmentIsToldWhenNumbersAreLookedFor(t *testing.T) {
	t.Parallel()
	l := written(t, 1)
	store := memory.NewEvents()
	e := records("s", 0, 1)[0].Event
	if err := store.Append(t.Context(), e.Stream, 0, []event.Event{e}); err != nil {
		t.Fatal(err)
	}
	n := &eventlog.Numberer{Log: &eventlog.Reader{Ledger: l.ledger, Blobs: memory.NewBlobs()}, Streams: store}
	if _, err := n.Numbers(t.Context(), e.Stream); !errors.Is(err, eventlog.ErrNoBlob) {
		t.Errorf("%v", err)
	}
}
