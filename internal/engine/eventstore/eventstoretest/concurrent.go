package eventstoretest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
)

func testOneWinner(t *testing.T, h Harness) {
	s := h.Open(t).Store
	const appenders = 16
	for version := range uint64(5) {
		// Two events, so that a store that wrote them one by one would interleave appends.
		var won atomic.Int64
		var wg sync.WaitGroup
		for range appenders {
			wg.Go(func() {
				events := newEvents(2)
				err := again(t.Context(), func() error { return s.Append(t.Context(), "loan-o1", 2*version, events) })
				switch {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, eventstore.ErrConflict):
					t.Errorf("got %v, want a conflict", err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d appenders won versions %d and %d", won.Load(), 2*version+1, 2*version+2)
		}
	}
	events := mustLoad(t, s, "loan-o1", 0)
	if len(events) != 10 {
		t.Fatalf("%d events, want 10", len(events))
	}
	for i, e := range events {
		if e.Version != uint64(i)+1 {
			t.Errorf("event %d has version %d", i, e.Version)
		}
	}
}

func testOneStreamManyAppenders(t *testing.T, h Harness) {
	s := h.Open(t).Store
	const appenders, appends = 8, 12
	var mu sync.Mutex
	winners := map[uint64]string{}
	var wg sync.WaitGroup
	for range appenders {
		wg.Go(func() {
			for range appends {
				e := newEvent(`{"loanId":"o1"}`)
				version, err := appendNext(t.Context(), s, "loan-o1", e)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if other, taken := winners[version]; taken {
					t.Errorf("version %d was given to %s and to %s", version, other, e.ID)
				}
				winners[version] = e.ID
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	events := mustLoad(t, s, "loan-o1", 0)
	if len(events) != appenders*appends {
		t.Fatalf("%d events, want %d", len(events), appenders*appends)
	}
	for i, e := range events {
		if e.Version != uint64(i)+1 || winners[e.Version] != e.ID {
			t.Errorf("place %d has version %d, event %s; it was acknowledged to %s", i, e.Version, e.ID, winners[e.Version])
		}
	}
}

func testManyStreams(t *testing.T, h Harness) {
	s := h.Open(t).Store
	const appenders, appends = 16, 10
	want := make([][]event.Event, appenders)
	var wg sync.WaitGroup
	for a := range appenders {
		wg.Go(func() {
			stream := fmt.Sprintf("loan-%d", a)
			for n := range uint64(appends) {
				e := newEvent(`{}`)
				version, err := appendNext(t.Context(), s, stream, e)
				if err != nil || version != n+1 {
					t.Errorf("append %d to %s: version %d, %v", n+1, stream, version, err)
					return
				}
				want[a] = append(want[a], placed(stream, version, []event.Event{e})...)
			}
		})
	}
	wg.Wait()
	for a := range want {
		wantStream(t, s, fmt.Sprintf("loan-%d", a), want[a])
	}
}

func testReadYourWrites(t *testing.T, h Harness) {
	s := h.Open(t).Store
	for n := range uint64(30) {
		mustAppend(t, s, "loan-o1", n, newEvents(1)...)
		if got := len(mustLoad(t, s, "loan-o1", n)); got != 1 {
			t.Fatalf("after append %d, %d new events are loaded", n+1, got)
		}
		many, err := s.LoadMany(t.Context(), []string{"loan-o1"})
		if err != nil || uint64(len(many["loan-o1"])) != n+1 {
			t.Fatalf("after append %d, %d events are loaded with many: %v", n+1, len(many["loan-o1"]), err)
		}
	}
}

func testCancelled(t *testing.T, h Harness) {
	opened := h.Open(t)
	s := opened.Store
	mustAppend(t, s, "loan-o1", 0, newEvents(1)...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantErr(t, "append", s.Append(ctx, "loan-o1", 1, newEvents(1)), context.Canceled)
	wantErr(t, "append of many", s.Append(ctx, "loan-o2", 0, newEvents(3)), context.Canceled)
	_, err := s.Load(ctx, "loan-o1", 0)
	wantErr(t, "load", err, context.Canceled)
	_, err = s.LoadMany(ctx, []string{"loan-o1", "loan-o2"})
	wantErr(t, "load many", err, context.Canceled)
	_, _, err = s.Streams(ctx, eventstore.All, "", 10)
	wantErr(t, "streams", err, context.Canceled)
	_, _, err = opened.Feed.Read(ctx, "", 10)
	wantErr(t, "feed", err, context.Canceled)
	if n := len(mustLoad(t, s, "loan-o1", 0)) + len(mustLoad(t, s, "loan-o2", 0)); n != 1 {
		t.Errorf("%d events are there, want 1", n)
	}
	cancelledMidway(t, h, s)
}

// cancelledMidway cancels appends at random moments: their results must be true.
func cancelledMidway(t *testing.T, h Harness, s eventstore.Store) {
	t.Helper()
	outcomes := map[string]error{}
	for i := range 60 {
		stream := fmt.Sprintf("loan-midway-%d", i)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Append(ctx, stream, 0, newEvents(2)) }()
		time.Sleep(time.Duration(i) * 15 * time.Microsecond) // a little later each time
		cancel()
		outcomes[stream] = <-done
	}
	// A cancelled append that took effect late would be in by the end of a later append.
	mustAppend(t, s, "loan-after", 0, newEvents(1)...)
	for stream, err := range outcomes {
		n := len(mustLoad(t, s, stream, 0))
		switch {
		case err == nil && n != 2:
			t.Errorf("acknowledged, but %d events are there", n)
		case err != nil && !errors.Is(err, context.Canceled):
			t.Errorf("a cancelled append: %v", err)
		case n == 1:
			t.Error("half an append is there")
		case err != nil && n != 0 && h.Features.SettlesCancelled:
			t.Error("an append that was reported as cancelled is there")
		}
	}
}

func testOverload(t *testing.T, h Harness) {
	opened := h.Open(t)
	mustAppend(t, opened.Store, "loan-o1", 0, newEvents(1)...)
	release := opened.Overload(t)
	err := opened.Store.Append(t.Context(), "loan-o1", 1, newEvents(1))
	release()
	if err == nil || fault.ClassOf(err) != fault.Infra || errors.Is(err, eventstore.ErrConflict) {
		t.Errorf("an overloaded store answers %v, which is %s; want infra", err, fault.ClassOf(err))
	}
	if got := mustLoad(t, opened.Store, "loan-o1", 0); len(got) != 1 {
		t.Errorf("%d events are there, want 1", len(got))
	}
	mustAppend(t, opened.Store, "loan-o1", 1, newEvents(1)...)
}
