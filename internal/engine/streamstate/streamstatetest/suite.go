// Package streamstatetest is the contract of streamstate.Store, as tests that hold every adapter to the same promises.
package streamstatetest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/contract"
	"gakushoku/internal/engine/streamstate"
	"gakushoku/internal/event"
)

// Harness gives the suite access to an adapter.
type Harness struct {
	// Open returns a new empty store, and closes it when the test ends.
	Open func(t *testing.T) Instance
	// TooLarge is the size of a snapshot that the store refuses; 0 if it takes any.
	TooLarge int
}

// Instance is one store.
type Instance struct {
	Store streamstate.Store
	// Reopen closes the store as a process would when it ends, and opens it again on the same data; nil if
	// the store keeps no data.
	Reopen func(t *testing.T) streamstate.Store
}

// TestStore tests everything that streamstate.Store promises.
func TestStore(t *testing.T, h Harness) {
	contract.Run(t, h, map[string]func(*testing.T, Harness){
		"a snapshot comes back with every field":       testRoundTrip,
		"a stream has one snapshot, the last":          testReplace,
		"a snapshot is dropped":                        testDrop,
		"odd names are kept apart":                     testNames,
		"a large snapshot is kept, or refused":         testLarge,
		"nothing shares memory with the caller":        testCopies,
		"many write and read one stream":               testConcurrent,
		"a cancelled call says so and changes nothing": testCancelled,
		"snapshots are there when it is reopened":      testReopen,
	})
}

func sample(stream string, version uint64) streamstate.Snapshot {
	return streamstate.Snapshot{Stream: stream, Version: version, EventID: "01K-é", Revision: 3, Data: []byte{0, 1, 255, '"', '\n', 0}}
}

func set(t *testing.T, s streamstate.Store, shot streamstate.Snapshot) {
	t.Helper()
	if err := s.SetSnapshot(t.Context(), shot); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, s streamstate.Store, stream string, wanted streamstate.Snapshot) {
	t.Helper()
	got, err := s.Snapshot(t.Context(), stream)
	if diff := cmp.Diff(wanted, got); err != nil || diff != "" {
		t.Errorf("the snapshot of %q: %v\n%s", stream, err, diff)
	}
}

func testRoundTrip(t *testing.T, h Harness) {
	s := h.Open(t).Store
	want(t, s, "loan-1", streamstate.Snapshot{})
	set(t, s, sample("loan-1", 256))
	want(t, s, "loan-1", sample("loan-1", 256))
	want(t, s, "loan", streamstate.Snapshot{})
	set(t, s, sample("loan-2", event.MaxVersion))
	want(t, s, "loan-2", sample("loan-2", event.MaxVersion))
}

func testReplace(t *testing.T, h Harness) {
	s := h.Open(t).Store
	for _, version := range []uint64{9, 10, 5} { // also by an older one: what is stored may be of another age
		set(t, s, sample("loan-1", version))
		want(t, s, "loan-1", sample("loan-1", version))
	}
	other := streamstate.Snapshot{Stream: "loan-1", Version: 6, EventID: "e6", Revision: 4, Data: []byte("{}")}
	set(t, s, other)
	want(t, s, "loan-1", other)
}

func testDrop(t *testing.T, h Harness) {
	s := h.Open(t).Store
	set(t, s, sample("loan-1", 1))
	set(t, s, sample("loan-2", 2))
	for range 2 {
		if err := s.DropSnapshot(t.Context(), "loan-1"); err != nil {
			t.Fatal(err)
		}
		want(t, s, "loan-1", streamstate.Snapshot{})
	}
	want(t, s, "loan-2", sample("loan-2", 2))
}

func testNames(t *testing.T, h Harness) {
	s := h.Open(t).Store
	names := []string{"loan-a", "LOAN-A", "loan-é", "loan-e\u0301", "loan-a ", "loan-#%/", "loan-" + strings.Repeat("長", (event.MaxStreamBytes-6)/3)}
	for i, name := range names {
		set(t, s, sample(name, uint64(i)+1))
	}
	for i, name := range names {
		want(t, s, name, sample(name, uint64(i)+1))
	}
}

func testLarge(t *testing.T, h Harness) {
	s := h.Open(t).Store
	large := sample("loan-1", 1)
	large.Data = bytes.Repeat([]byte{7}, 300<<10)
	set(t, s, large)
	want(t, s, "loan-1", large)
	if h.TooLarge == 0 {
		return
	}
	larger := sample("loan-1", 2)
	larger.Data = make([]byte, h.TooLarge)
	if err := s.SetSnapshot(t.Context(), larger); !errors.Is(err, streamstate.ErrTooLarge) {
		t.Errorf("%d bytes: %v", h.TooLarge, err)
	}
	want(t, s, "loan-1", large)
}

func testCopies(t *testing.T, h Harness) {
	s := h.Open(t).Store
	shot := sample("loan-1", 1)
	set(t, s, shot)
	copy(shot.Data, "XXXX")
	got, err := s.Snapshot(t.Context(), "loan-1")
	if err != nil {
		t.Fatal(err)
	}
	copy(got.Data, "XXXX")
	want(t, s, "loan-1", sample("loan-1", 1))
}

func testConcurrent(t *testing.T, h Harness) {
	s := h.Open(t).Store
	var wg sync.WaitGroup
	for n := range uint64(8) {
		wg.Go(func() {
			if err := s.SetSnapshot(t.Context(), sample("loan-1", n+1)); err != nil {
				t.Error(err)
			}
			if got, err := s.Snapshot(t.Context(), "loan-1"); err != nil || !cmp.Equal(got, sample("loan-1", got.Version)) || got.Version == 0 {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	wg.Wait()
}

func testCancelled(t *testing.T, h Harness) {
	s := h.Open(t).Store
	set(t, s, sample("loan-1", 1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Snapshot(ctx, "loan-1")
	for what, err := range map[string]error{
		"reading": err, "writing": s.SetSnapshot(ctx, sample("loan-1", 2)), "dropping": s.DropSnapshot(ctx, "loan-1"),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s after the end of its context: %v", what, err)
		}
	}
	want(t, s, "loan-1", sample("loan-1", 1))
}

func testReopen(t *testing.T, h Harness) {
	opened := h.Open(t)
	set(t, opened.Store, sample("loan-1", 1))
	if opened.Reopen != nil {
		want(t, opened.Reopen(t), "loan-1", sample("loan-1", 1))
	}
}
