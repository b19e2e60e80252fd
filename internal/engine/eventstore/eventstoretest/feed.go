package eventstoretest

import (
	"fmt"
	"sync"
	"testing"

	"gakushoku/internal/event"
)

// fill appends appends×2 events to each of several streams, in turns, and returns them by id.
func fill(t *testing.T, opened Instance, streams, appends int) map[string]event.Event {
	t.Helper()
	all := map[string]event.Event{}
	for n := range appends {
		for i := range streams {
			stream := fmt.Sprintf("loan-%d", i)
			events := newEvents(2)
			for _, e := range placed(stream, uint64(2*n)+1, events) {
				all[e.ID] = e
			}
			mustAppend(t, opened.Store, stream, uint64(2*n), events...)
		}
	}
	return all
}

// wantDelivered checks that a first delivery has exactly the events of want, each stream's in order.
func wantDelivered(t *testing.T, want map[string]event.Event, delivered []event.Event) {
	t.Helper()
	last := map[string]uint64{}
	seen := map[string]bool{}
	for _, e := range delivered {
		if diff := diffEvents([]event.Event{want[e.ID]}, []event.Event{e}); diff != "" {
			t.Errorf("event %s (-want +got):\n%s", e.ID, diff)
		}
		if seen[e.ID] {
			continue
		}
		seen[e.ID] = true
		if e.Version != last[e.Stream]+1 {
			t.Errorf("%s came with version %d after %d", e.Stream, e.Version, last[e.Stream])
		}
		last[e.Stream] = e.Version
	}
	if len(seen) != len(want) {
		t.Errorf("%d different events came, want %d", len(seen), len(want))
	}
}

func testFeedAll(t *testing.T, h Harness) {
	opened := h.Open(t)
	want := fill(t, opened, 5, 6)
	for _, limit := range []int{1, 7, 1000} {
		delivered, _ := follow(t, opened.Feed, "", limit, count(len(want)))
		wantDelivered(t, want, delivered)
	}
}

func testFeedResumes(t *testing.T, h Harness) {
	opened := h.Open(t)
	want := fill(t, opened, 4, 5)
	for part := 1; part < len(want); part += 8 {
		before, cursor := follow(t, opened.Feed, "", 3, count(part))
		seen := map[string]bool{}
		for _, e := range before {
			seen[e.ID] = true
		}
		if len(seen) > part+6 {
			t.Errorf("%d events came before the cursor, about %d were asked for", len(seen), part)
		}
		for _, limit := range []int{100, 2} { // twice: a cursor may be used again
			follow(t, opened.Feed, cursor, limit, func(ids map[string]bool) bool {
				missing := 0
				for id := range want {
					if !seen[id] && !ids[id] {
						missing++
					}
				}
				return missing == 0
			})
		}
	}
}

func testFeedLater(t *testing.T, h Harness) {
	opened := h.Open(t)
	mustAppend(t, opened.Store, "loan-o1", 0, newEvents(2)...)
	_, cursor := follow(t, opened.Feed, "", 100, count(2))
	for n := range uint64(5) {
		idle := cursor
		for range 3 { // without new events the cursor stays valid
			events, next, err := opened.Feed.Read(t.Context(), idle, 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				if e.Version > 2+n {
					t.Errorf("an event came that was not appended yet: %+v", e)
				}
			}
			idle = next
		}
		e := newEvent(`{}`)
		mustAppend(t, opened.Store, "loan-o1", 2+n, e)
		_, cursor = follow(t, opened.Feed, idle, 100, with(e.ID))
	}
}

func testFeedForeignCursor(t *testing.T, h Harness) {
	opened := h.Open(t)
	for _, cursor := range []string{"not a cursor", "-1", "１２", "{}", "1e3"} {
		if _, _, err := opened.Feed.Read(t.Context(), cursor, 10); err == nil {
			t.Errorf("the feed took the cursor %q", cursor)
		}
	}
}

// testFeedConcurrent reads while several writers append: a reader that continues from cursor to cursor must
// not miss an event that is committed behind it.
func testFeedConcurrent(t *testing.T, h Harness) {
	opened := h.Open(t)
	const appenders, appends = 8, 25
	var wg sync.WaitGroup
	var mu sync.Mutex
	want := map[string]event.Event{}
	for a := range appenders {
		wg.Go(func() {
			for n := range uint64(appends) {
				e := newEvent(`{}`)
				stream := fmt.Sprintf("loan-%d", a)
				if _, err := appendNext(t.Context(), opened.Store, stream, e); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				want[e.ID] = placed(stream, n+1, []event.Event{e})[0]
				mu.Unlock()
			}
		})
	}
	delivered, _ := follow(t, opened.Feed, "", 10, count(appenders*appends))
	wg.Wait()
	wantDelivered(t, want, delivered)
}

func testReopen(t *testing.T, h Harness) {
	opened := h.Open(t)
	want := fill(t, opened, 3, 4)
	_, cursor := follow(t, opened.Feed, "", 100, count(len(want)))
	before := mustLoad(t, opened.Store, "loan-1", 0)
	for range 2 {
		opened = opened.Reopen(t)
		wantStream(t, opened.Store, "loan-1", before)
		if got := allStreams(t, opened.Store, 10); len(got) != 3 {
			t.Errorf("streams are %q", got)
		}
		delivered, _ := follow(t, opened.Feed, "", 100, count(len(want)))
		wantDelivered(t, want, delivered)
	}
	e := newEvent(`{}`)
	mustAppend(t, opened.Store, "loan-1", uint64(len(before)), e)
	follow(t, opened.Feed, cursor, 100, with(e.ID))
}
