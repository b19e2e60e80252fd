package eventstoretest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gakushoku/internal/engine/contract"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
)

// TestRanges tests everything that eventstore.Ranger promises, for stores that keep streams sorted.
func TestRanges(t *testing.T, h Harness) {
	contract.Run(t, h, map[string]func(*testing.T, Harness){
		"a range has whole streams in the order of their names": testRangeOrder,
		"a stream longer than a page comes whole":               testRangeLongStream,
		"a range of nothing is empty":                           testRangeEmpty,
		"a range sees what was appended before it was read":     testRangeWhileAppending,
	})
}

// ranges reads all streams after a name and up to another, a few events at a time.
func ranges(t *testing.T, s eventstore.Store, after, upTo string, limit int) []event.Event {
	t.Helper()
	var all []event.Event
	for range 1000 {
		events, next, err := s.(eventstore.Ranger).Range(t.Context(), after, upTo, limit)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, events...)
		if next == "" {
			return all
		}
		if len(events) < limit || next != events[len(events)-1].Stream || next <= after {
			t.Fatalf("after %q came %d events (limit %d), to be gone on with after %q", after, len(events), limit, next)
		}
		after = next
	}
	t.Fatal("a range has no end")
	return nil
}

func testRangeOrder(t *testing.T, h Harness) {
	s := h.Open(t).Store
	// Sorted by byte.
	names := []string{"a", "loan-", "loan-1", "loan-10", "loan-2", "loan-B", "loan-b", "loan-é", "loan-唐", "loan-🍛", "z"}
	want := map[string][]event.Event{}
	for i := range names {
		name := names[(i*7+3)%len(names)]
		events := newEvents(1 + i%4)
		want[name] = placed(name, 1, events)
		mustAppend(t, s, name, 0, events...)
	}
	for from := -1; from < len(names); from++ {
		for to := from + 1; to <= len(names); to++ {
			after, upTo := "", ""
			if from >= 0 {
				after = names[from]
			}
			if to < len(names) {
				upTo = names[to]
			}
			var wanted []event.Event
			for _, name := range names[from+1 : min(to+1, len(names))] {
				wanted = append(wanted, want[name]...)
			}
			for _, limit := range []int{1, 3, 1000} {
				if diff := diffEvents(wanted, ranges(t, s, after, upTo, limit)); diff != "" {
					t.Fatalf("after %q up to %q, pages of %d (-want +got):\n%s", after, upTo, limit, diff)
				}
			}
		}
	}
	if got := ranges(t, s, "loan-0", "loan-15", 100); len(got) != len(want["loan-1"])+len(want["loan-10"]) {
		t.Errorf("between names of no stream came %d events", len(got))
	}
}

func testRangeLongStream(t *testing.T, h Harness) {
	s := h.Open(t).Store
	const appends = 6
	for i := range appends {
		mustAppend(t, s, "loan-b", uint64(i*eventstore.MaxAppend), newEvents(eventstore.MaxAppend)...)
	}
	mustAppend(t, s, "loan-a", 0, newEvents(2)...)
	mustAppend(t, s, "loan-c", 0, newEvents(2)...)
	for _, limit := range []int{1, 2, 3, 299, 300, 302, 303, 304, 305} {
		events, next, err := s.(eventstore.Ranger).Range(t.Context(), "loan-a", "", limit)
		if err != nil || len(events) < appends*eventstore.MaxAppend || events[299].Version != 300 {
			t.Errorf("with a limit of %d came %d events: %v", limit, len(events), err)
		}
		if whole := limit >= 302; whole != (next == "") {
			t.Errorf("with a limit of %d the next is %q", limit, next)
		}
		if got := ranges(t, s, "", "", limit); len(got) != 304 {
			t.Errorf("pages of %d have %d events together", limit, len(got))
		}
	}
}

func testRangeEmpty(t *testing.T, h Harness) {
	s := h.Open(t).Store
	if got := ranges(t, s, "", "", 10); len(got) != 0 {
		t.Errorf("an empty store has %d events", len(got))
	}
	mustAppend(t, s, "loan-b", 0, newEvents(1)...)
	for _, r := range [][2]string{{"loan-b", ""}, {"loan-c", ""}, {"", "loan-a"}, {"loan-b", "loan-a"}, {"loan-b", "loan-b"}} {
		if got := ranges(t, s, r[0], r[1], 10); len(got) != 0 {
			t.Errorf("after %q up to %q came %d events", r[0], r[1], len(got))
		}
	}
	for _, limit := range []int{0, -1} {
		if _, _, err := s.(eventstore.Ranger).Range(t.Context(), "", "", limit); err == nil {
			t.Errorf("a page of %d events was read", limit)
		}
	}
}

// testRangeWhileAppending adds events and streams between pages: a page has every event that was acknowledged
// before it was read, and every stream is whole.
func testRangeWhileAppending(t *testing.T, h Harness) {
	s := h.Open(t).Store
	versions := map[string]uint64{}
	grow := func(name string) {
		mustAppend(t, s, name, versions[name], newEvents(2)...)
		versions[name] += 2
	}
	for i := range 20 {
		grow(fmt.Sprintf("loan-%02d", i))
	}
	var seen []string
	for after := ""; ; {
		events, next, err := s.(eventstore.Ranger).Range(t.Context(), after, "", 5)
		if err != nil {
			t.Fatal(err)
		}
		had := map[string]uint64{}
		for i := range events {
			e := &events[i]
			if e.Version != had[e.Stream]+1 {
				t.Fatalf("after version %d of %s comes %d", had[e.Stream], e.Stream, e.Version)
			}
			if had[e.Stream] = e.Version; e.Version == 1 {
				seen = append(seen, e.Stream)
			}
		}
		for name, version := range had {
			if version != versions[name] {
				t.Errorf("%s has %d events, %d were acknowledged", name, version, versions[name])
			}
		}
		if after = next; next == "" {
			break
		}
		grow(next)
		grow("loan-19")
		grow(next + "-new")
	}
	if !slices.IsSortedFunc(seen, strings.Compare) || len(slices.Compact(slices.Clone(seen))) != len(seen) {
		t.Errorf("streams came as %q", seen)
	}
	for i := range 20 {
		if name := fmt.Sprintf("loan-%02d", i); !slices.Contains(seen, name) {
			t.Errorf("%s did not come", name)
		}
	}
}
