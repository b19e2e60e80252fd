package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/streamstate"
	"gakushoku/internal/event"
)

func TestTidyGivesFreeRoomBackBesideOtherUse(t *testing.T) {
	t.Parallel()
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "control.db")
	c, err := OpenControl(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	other, err := OpenControl(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	shot := streamstate.Snapshot{Version: 1, EventID: "e", Data: bytes.Repeat([]byte{7}, 100_000)}
	for n := range 150 {
		shot.Stream = fmt.Sprint("loan-", n)
		if err := c.SetSnapshot(ctx, shot); err != nil {
			t.Fatal(err)
		}
	}
	before, err := c.Usage(ctx)
	if err != nil || !before.Shrinks || before.Bytes < 15_000_000 || before.LogBytes == 0 {
		t.Fatalf("%+v, %v", before, err)
	}
	if dropped, err := c.DropSnapshots(ctx, time.Now().Add(-time.Hour)); err != nil || dropped != 0 {
		t.Errorf("%d young snapshots were dropped, %v", dropped, err)
	}
	if dropped, err := c.DropSnapshots(ctx, time.Now().Add(time.Hour)); err != nil || dropped != 150 {
		t.Errorf("%d snapshots were dropped, %v", dropped, err)
	}
	var beside sync.WaitGroup
	beside.Go(func() {
		for n := range 50 {
			own := streamstate.Snapshot{Stream: "beside", Version: uint64(n) + 1, EventID: "e", Data: []byte{1}}
			if err := other.SetSnapshot(ctx, own); err != nil {
				t.Error(err)
			}
		}
	})
	for range 2 {
		if err := c.Tidy(ctx); err != nil {
			t.Fatal(err)
		}
	}
	beside.Wait()
	if err := c.Tidy(ctx); err != nil {
		t.Fatal(err)
	}
	after, err := c.Usage(ctx)
	if err != nil || after.Bytes > before.Bytes/10 || after.Free != 0 {
		t.Errorf("from %+v to %+v, %v", before, after, err)
	}
	if got, err := c.Snapshots(ctx, time.Now().Add(time.Hour)); err != nil || got.Count != 1 || got.Old != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestTidyStopsWhenItIsCancelled(t *testing.T) {
	t.Parallel()
	c, err := OpenControl(t.Context(), filepath.Join(t.TempDir(), "control.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Tidy(ctx); err == nil {
		t.Error("it went on")
	}
}

func TestTheLongestStreams(t *testing.T) {
	t.Parallel()
	s, err := OpenEvents(t.Context(), filepath.Join(t.TempDir(), "events.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for stream, n := range map[string]int{"loan-a": 2, "loan-b": 5, "loan-c": 2, "loan-d": 1} {
		events := make([]event.Event, n)
		for i := range events {
			events[i] = event.Event{ID: fmt.Sprint(stream, i), Type: "T", CorrelationID: "c", OccurredAt: event.InstantOfMilli(1), Payload: []byte(`{}`), Schema: 1}
		}
		if err := s.Append(t.Context(), stream, 0, events); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Longest(t.Context(), 3)
	if diff := cmp.Diff([]Longest{{"loan-b", 5}, {"loan-a", 2}, {"loan-c", 2}}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if err := s.Tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if u, err := s.Usage(t.Context()); err != nil || u.Statistics == 0 {
		t.Errorf("%+v, %v", u, err)
	}
}
