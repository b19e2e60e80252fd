package projectiontest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
)

func newPointer(name string) projection.Pointer {
	return projection.Pointer{
		Projection: name,
		Versions: []projection.Version{
			{Number: 3, Revision: 2, State: projection.Previous, RunID: "run-学食"},
			{Number: 4, Revision: 3, State: projection.Active},
			{Number: 7, Revision: 3, State: projection.Building, RunID: "run-2"},
		},
		Next: 8,
	}
}

// wantPointer checks that p is stored, with that many changes.
func wantPointer(t *testing.T, s projection.Pointers, p projection.Pointer, changes uint64) {
	t.Helper()
	p.Changes = changes
	got, err := s.Pointer(t.Context(), p.Projection)
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, "pointer of "+p.Projection, p, got)
}

func mustSet(t *testing.T, s projection.Pointers, p projection.Pointer, changes uint64) {
	t.Helper()
	p.Changes = changes
	if err := s.SetPointer(t.Context(), p); err != nil {
		t.Fatalf("setting %s after %d changes: %v", p.Projection, changes, err)
	}
}

func testPointerRoundTrip(t *testing.T, h Control) {
	s := h.Open(t).Store
	loans, other := newPointer("loans"), newPointer("売上 #1")
	mustSet(t, s, loans, 0)
	mustSet(t, s, other, 0)
	wantPointer(t, s, loans, 1)
	for changes := uint64(1); changes < 12; changes++ { // 9 to 10 would reveal a comparison as text
		loans.Next++
		mustSet(t, s, loans, changes)
		wantPointer(t, s, loans, changes+1)
	}
	wantPointer(t, s, other, 1)
	read, err := s.Pointer(t.Context(), "loans")
	if err != nil {
		t.Fatal(err)
	}
	read.Versions[0].RunID = "changed"
	wantPointer(t, s, loans, 12)
}

func testNoPointer(t *testing.T, h Control) {
	s := h.Open(t).Store
	_, err := s.Pointer(t.Context(), "loans")
	wantErr(t, "a projection without a pointer", err, projection.ErrNoPointer)
	if err := s.SetCheckpoint(t.Context(), "loans", projection.Checkpoint{Cursor: "c"}); err != nil {
		t.Fatal(err)
	}
	_, err = s.Pointer(t.Context(), "loans")
	wantErr(t, "a name that has only a checkpoint", err, projection.ErrNoPointer)
}

func testPointerChanged(t *testing.T, h Control) {
	s := h.Open(t).Store
	p := newPointer("loans")
	p.Changes = 3
	wantErr(t, "changing what is not there", s.SetPointer(t.Context(), p), projection.ErrPointerChanged)
	_, err := s.Pointer(t.Context(), "loans")
	wantErr(t, "reading after that", err, projection.ErrNoPointer)
	mustSet(t, s, p, 0)
	mustSet(t, s, p, 1)
	other := p
	other.Next = 99
	for _, changes := range []uint64{0, 1, 3} {
		other.Changes = changes
		wantErr(t, fmt.Sprintf("setting after %d changes", changes), s.SetPointer(t.Context(), other), projection.ErrPointerChanged)
	}
	wantPointer(t, s, p, 2)
}

func testPointerOneWinner(t *testing.T, h Control) {
	s := h.Open(t).Store
	for changes := range uint64(5) {
		var won atomic.Int64
		var wg sync.WaitGroup
		for next := range 8 {
			wg.Go(func() {
				p := newPointer("loans")
				p.Next, p.Changes = 100+next, changes
				err := again(t.Context(), func() error { return s.SetPointer(t.Context(), p) })
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, projection.ErrPointerChanged) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d setters won change %d", won.Load(), changes+1)
		}
	}
	p, err := s.Pointer(t.Context(), "loans")
	if err != nil || p.Changes != 5 {
		t.Errorf("%d changes are counted, want 5: %v", p.Changes, err)
	}
}

func testPointerCancelled(t *testing.T, h Control) {
	s := h.Open(t).Store
	p := newPointer("loans")
	mustSet(t, s, p, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Pointer(ctx, "loans")
	wantErr(t, "reading", err, context.Canceled)
	other := newPointer("loans")
	other.Next, other.Changes = 99, 1
	wantErr(t, "setting", s.SetPointer(ctx, other), context.Canceled)
	wantPointer(t, s, p, 1)
}

func testPointerReopen(t *testing.T, h Control) {
	opened := h.Open(t)
	p := newPointer("loans")
	mustSet(t, opened.Store, p, 0)
	if opened.Reopen == nil {
		return // no promise in this case
	}
	s := opened.Reopen(t)
	wantPointer(t, s, p, 1)
	mustSet(t, s, p, 1)
}

func newCheckpoint(events uint64) projection.Checkpoint {
	return projection.Checkpoint{Cursor: fmt.Sprintf("カーソル-%d", events), Events: events, OccurredAt: event.InstantOfMilli(1769212800123), AppliedAt: event.InstantOfMilli(1769212800456)}
}

func wantCheckpoint(t *testing.T, s projection.Checkpoints, reader string, want projection.Checkpoint) {
	t.Helper()
	got, err := s.Checkpoint(t.Context(), reader)
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, "checkpoint of "+reader, want, got)
}

func mustSetCheckpoint(t *testing.T, s projection.Checkpoints, reader string, c projection.Checkpoint) {
	t.Helper()
	if err := s.SetCheckpoint(t.Context(), reader, c); err != nil {
		t.Fatal(err)
	}
}

func testCheckpointRoundTrip(t *testing.T, h Control) {
	s := h.Open(t).Store
	mustSetCheckpoint(t, s, "投影", newCheckpoint(1<<62))
	for _, events := range []uint64{5, 10, 7, 0} {
		mustSetCheckpoint(t, s, "projector", newCheckpoint(events))
		wantCheckpoint(t, s, "projector", newCheckpoint(events))
	}
	wantCheckpoint(t, s, "投影", newCheckpoint(1<<62))
	mustSetCheckpoint(t, s, "projector", projection.Checkpoint{})
	wantCheckpoint(t, s, "projector", projection.Checkpoint{})
}

func testNoCheckpoint(t *testing.T, h Control) {
	s := h.Open(t).Store
	wantCheckpoint(t, s, "projector", projection.Checkpoint{})
	mustSet(t, s, newPointer("projector"), 0)
	wantCheckpoint(t, s, "projector", projection.Checkpoint{})
}

func testCheckpointConcurrent(t *testing.T, h Control) {
	s := h.Open(t).Store
	var wg sync.WaitGroup
	for n := range uint64(8) {
		wg.Go(func() {
			for range 5 {
				if err := s.SetCheckpoint(t.Context(), "projector", newCheckpoint(n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, err := s.Checkpoint(t.Context(), "projector")
	if err != nil || got != newCheckpoint(got.Events) {
		t.Errorf("two checkpoints were mixed: %+v, %v", got, err)
	}
}

func testCheckpointCancelled(t *testing.T, h Control) {
	s := h.Open(t).Store
	mustSetCheckpoint(t, s, "projector", newCheckpoint(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Checkpoint(ctx, "projector")
	wantErr(t, "reading", err, context.Canceled)
	wantErr(t, "setting", s.SetCheckpoint(ctx, "projector", newCheckpoint(2)), context.Canceled)
	wantCheckpoint(t, s, "projector", newCheckpoint(1))
}

func testCheckpointReopen(t *testing.T, h Control) {
	opened := h.Open(t)
	mustSetCheckpoint(t, opened.Store, "projector", newCheckpoint(1))
	if opened.Reopen != nil {
		wantCheckpoint(t, opened.Reopen(t), "projector", newCheckpoint(1))
	}
}
