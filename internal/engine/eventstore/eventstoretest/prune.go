package eventstoretest

import (
	"context"
	"errors"
	"testing"

	"gakushoku/internal/engine/contract"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
)

// TestPrune tests what eventstore.Pruner promises.
func TestPrune(t *testing.T, h Harness) {
	contract.Run(t, h, map[string]func(*testing.T, Harness){
		"the beginning of a stream is deleted":              testPruned,
		"deleting may be repeated":                          testPrunedAgain,
		"the last event of a stream stays":                  testKeepsLast,
		"a stream without its beginning goes on":            testPrunedGoesOn,
		"a stream without its beginning is listed":          testPrunedListed,
		"the feed brings neither what was deleted nor that": testPrunedFeed,
		"what was deleted is put back":                      testPutBack,
		"what was put back does not come out of the feed":   testPutBackFeed,
	})
}

// prune deletes the events of stream up to a version.
func prune(t *testing.T, s eventstore.Store, stream string, through uint64) {
	t.Helper()
	if _, err := s.(eventstore.Pruner).Prune(t.Context(), []eventstore.Cut{cut(stream, through)}); err != nil {
		t.Fatalf("deleting events of %s up to %d: %v", stream, through, err)
	}
}

func cut(stream string, through uint64) eventstore.Cut {
	c := eventstore.Cut{Stream: stream, Through: through}
	for v := uint64(1); v <= through; v++ {
		c.Versions = append(c.Versions, v)
	}
	return c
}

func testPruned(t *testing.T, h Harness) {
	s := h.Open(t).Store
	events, others := newEvents(30), newEvents(3)
	want, wantOther := placed("loan-o1", 1, events), placed("loan-o2", 1, others)
	mustAppend(t, s, "loan-o1", 0, events...)
	mustAppend(t, s, "loan-o2", 0, others...)
	prune(t, s, "loan-o1", 29)
	wantStream(t, s, "loan-o1", want[29:])
	wantStream(t, s, "loan-o2", wantOther)
	many, err := s.LoadMany(t.Context(), []string{"loan-o1", "loan-o2"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := diffEvents(want[29:], many["loan-o1"]) + diffEvents(wantOther, many["loan-o2"]); diff != "" {
		t.Errorf("of several (-want +got):\n%s", diff)
	}
	for after, count := range map[uint64]int{1: 1, 28: 1, 29: 1, 30: 0} {
		if got := mustLoad(t, s, "loan-o1", after); len(got) != count {
			t.Errorf("after %d came %d events", after, len(got))
		}
	}
}

func testPrunedAgain(t *testing.T, h Harness) {
	s := h.Open(t).Store
	events := newEvents(4)
	want := placed("loan-o1", 1, events)
	mustAppend(t, s, "loan-o1", 0, events...)
	for _, through := range []uint64{2, 2, 1, 3, 3} {
		prune(t, s, "loan-o1", through)
	}
	wantStream(t, s, "loan-o1", want[3:])
	if _, err := s.(eventstore.Pruner).Prune(t.Context(), nil); err != nil {
		t.Errorf("nothing to delete: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.(eventstore.Pruner).Prune(ctx, []eventstore.Cut{cut("loan-o1", 3)}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func testKeepsLast(t *testing.T, h Harness) {
	if !h.Features.DetectsGaps {
		t.Skip("the store would have to read first")
	}
	s := h.Open(t).Store
	events := newEvents(3)
	want := placed("loan-o1", 1, events)
	mustAppend(t, s, "loan-o1", 0, events...)
	for _, c := range []eventstore.Cut{cut("loan-o1", 3), cut("loan-o1", 4), cut("loan-none", 1)} {
		if _, err := s.(eventstore.Pruner).Prune(t.Context(), []eventstore.Cut{c}); err == nil {
			t.Errorf("%s was deleted up to %d", c.Stream, c.Through)
		}
	}
	wantStream(t, s, "loan-o1", want)
}

func testPrunedGoesOn(t *testing.T, h Harness) {
	s := h.Open(t).Store
	events := newEvents(4)
	want := placed("loan-o1", 1, events)
	mustAppend(t, s, "loan-o1", 0, events...)
	prune(t, s, "loan-o1", 3)
	more := newEvents(1)
	want = append(want, placed("loan-o1", 5, more)...)
	mustAppend(t, s, "loan-o1", 4, more...)
	wantStream(t, s, "loan-o1", want[3:])
	wantErr(t, "a version that is taken", s.Append(t.Context(), "loan-o1", 4, newEvents(1)), eventstore.ErrConflict)
	if h.Features.DetectsGaps {
		wantErr(t, "a version that was deleted", s.Append(t.Context(), "loan-o1", 1, newEvents(1)), eventstore.ErrConflict)
	}
}

func testPrunedListed(t *testing.T, h Harness) {
	s := h.Open(t).Store
	names := []string{"loan-a", "loan-b", "loan-c", "loan-d", "loan-e"}
	for _, name := range names {
		mustAppend(t, s, name, 0, newEvents(4)...)
	}
	for _, name := range names[1:4] {
		prune(t, s, name, 3)
		mustAppend(t, s, name, 4, newEvents(2)...)
	}
	for _, limit := range []int{1, 2, 100} {
		seen := map[string]int{}
		for _, name := range allStreams(t, s, limit) {
			seen[name]++
		}
		for _, name := range names {
			if seen[name] != 1 || len(seen) != len(names) {
				t.Errorf("pages of %d: listed %v", limit, seen)
			}
		}
	}
}

func testPrunedFeed(t *testing.T, h Harness) {
	i := h.Open(t)
	mustAppend(t, i.Store, "loan-o1", 0, newEvents(3)...)
	_, cursor := follow(t, i.Feed, "", 10, count(3))
	prune(t, i.Store, "loan-o1", 2)
	last := newEvent(`{}`)
	mustAppend(t, i.Store, "loan-o2", 0, last)
	if events, _ := follow(t, i.Feed, cursor, 10, with(last.ID)); len(events) != 1 {
		t.Errorf("after the deletion came %d events, want the one that was appended", len(events))
	}
}

func testPutBack(t *testing.T, h Harness) {
	s := h.Open(t).Store
	events := newEvents(4)
	want := placed("loan-o1", 1, events)
	mustAppend(t, s, "loan-o1", 0, events...)
	prune(t, s, "loan-o1", 3)
	for _, some := range [][]event.Event{want[1:2], want[:3], want[:3]} {
		if err := s.(eventstore.Pruner).PutBack(t.Context(), "loan-o1", some); err != nil {
			t.Fatal(err)
		}
	}
	wantStream(t, s, "loan-o1", want)
	prune(t, s, "loan-o1", 2)
	wantStream(t, s, "loan-o1", want[2:])
}

func testPutBackFeed(t *testing.T, h Harness) {
	i := h.Open(t)
	events := newEvents(3)
	back := placed("loan-o1", 1, events)
	mustAppend(t, i.Store, "loan-o1", 0, events...)
	_, cursor := follow(t, i.Feed, "", 10, count(3))
	prune(t, i.Store, "loan-o1", 2)
	if err := i.Store.(eventstore.Pruner).PutBack(t.Context(), "loan-o1", back[:2]); err != nil {
		t.Fatal(err)
	}
	last := newEvent(`{}`)
	mustAppend(t, i.Store, "loan-o2", 0, last)
	if events, _ := follow(t, i.Feed, cursor, 10, with(last.ID)); len(events) != 1 {
		t.Errorf("after events were put back came %d events, want the one that was appended", len(events))
	}
}
