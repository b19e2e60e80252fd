package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/event"
)

// happened returns version v of a stream.
func happened(stream string, v uint64) event.Event {
	return event.Event{
		ID: fmt.Sprintf("%s-%d", stream, v), Type: "Happened", OccurredAt: event.InstantOfMilli(1769212800000), CorrelationID: "c",
		Payload: []byte(`{"a": 1}`), Stream: stream, Version: v, Schema: 1,
	}
}

func TestAFilledStoreIsAsIfItsEventsHadBeenAppended(t *testing.T) {
	t.Parallel()
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "events.db")
	store, err := OpenEvents(ctx, path)
	if err == nil {
		_, err = store.Belong(ctx, "folder")
	}
	if err == nil {
		err = store.Close()
	}
	if err == nil {
		if store, err = OpenExistingEvents(ctx, path); err == nil {
			_, err = store.Belong(ctx, "")
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	var want []event.Event
	for i := range 7*fillRows + 3 {
		want = append(want, happened(fmt.Sprintf("thing-%d", i%10), uint64(i/10)+1))
	}
	err = store.Fill(ctx, func(load func(context.Context, []event.Event) error) error {
		if err := load(ctx, want[:fillRows+1]); err != nil {
			return err
		}
		return load(ctx, want[fillRows+1:])
	})
	if err == nil {
		err = store.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if store, err = OpenExistingEvents(ctx, path); err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	got, _, err := store.Read(ctx, "", len(want)+1)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	next := []event.Event{happened("thing-0", uint64(len(want)/10)+2)}
	if err := store.Append(ctx, "thing-0", uint64((len(want)+9)/10), next); err != nil {
		t.Error(err)
	}
	if err := store.Fill(ctx, func(load func(context.Context, []event.Event) error) error { return load(ctx, want[:1]) }); err == nil {
		t.Error("a version was stored twice")
	}
}
