package eventstoretest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/retry"
	"gakushoku/internal/observe"
)

// newEvent returns an event with every field of the envelope set except its stream and version.
func newEvent(payload string) event.Event {
	id := observe.NewID()
	return event.Event{
		ID: id, Type: "LoanTaken", OccurredAt: event.InstantOfMilli(1769212800123), CorrelationID: "c-" + id,
		Payload: []byte(payload), Schema: 2, CausationID: "cause-" + id, CommandID: "key-" + id, CommandHash: "00ff",
		Actor: "user-7", Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		Command: "ReturnBook", Role: "reader", Route: "POST /loans/{id}/return", Origin: "1.AAECAwQF",
	}
}

// newEvents returns count events with small payloads.
func newEvents(count int) []event.Event {
	events := make([]event.Event, count)
	for i := range events {
		events[i] = newEvent(fmt.Sprintf(`{"loanId":"o1","total":%d}`, i+1))
	}
	return events
}

// placed returns the events as a load must return them: in stream, from version first on.
func placed(stream string, first uint64, events []event.Event) []event.Event {
	all := make([]event.Event, len(events))
	for i, e := range events {
		e.Stream, e.Version = stream, first+uint64(i)
		all[i] = e
	}
	return all
}

func mustAppend(t *testing.T, s eventstore.Appender, stream string, expected uint64, events ...event.Event) {
	t.Helper()
	if err := s.Append(t.Context(), stream, expected, events); err != nil {
		t.Fatalf("append to %q after %d: %v", stream, expected, err)
	}
}

func mustLoad(t *testing.T, s eventstore.Loader, stream string, after uint64) []event.Event {
	t.Helper()
	events, err := s.Load(t.Context(), stream, after)
	if err != nil {
		t.Fatalf("load %q after %d: %v", stream, after, err)
	}
	return events
}

// wantStream compares a whole stream.
func wantStream(t *testing.T, s eventstore.Loader, stream string, want []event.Event) {
	t.Helper()
	if diff := diffEvents(want, mustLoad(t, s, stream, 0)); diff != "" {
		t.Errorf("stream %q (-want +got):\n%s", stream, diff)
	}
}

// diffEvents describes the first event that differs; "" if none does. (A diff of all events takes minutes for
// long streams and says no more.)
func diffEvents(want, got []event.Event) string {
	for i := range min(len(want), len(got)) {
		if !reflect.DeepEqual(want[i], got[i]) {
			return fmt.Sprintf("event %d of %d: %s", i+1, len(want), cmp.Diff(shortened(want[i]), shortened(got[i])))
		}
	}
	if len(want) != len(got) {
		return fmt.Sprintf("%d events, want %d", len(got), len(want))
	}
	return ""
}

// shortened returns the event with a digest in place of a large payload.
func shortened(e event.Event) event.Event {
	if len(e.Payload) > 1<<10 {
		e.Payload = fmt.Appendf(nil, "%d bytes, sha256 %x: %.200s", len(e.Payload), sha256.Sum256(e.Payload), e.Payload)
	}
	return e
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// again repeats f after infrastructure errors, as a caller would.
func again(ctx context.Context, f func() error) error {
	return retry.Do(ctx, retry.Policy{Tries: 100}, retry.Unavailable(f))
}

// appendNext appends one event to the end of a stream, despite other writers, and returns its version. After
// an infrastructure error it is unknown whether the event is in, so appendNext reads the stream.
func appendNext(ctx context.Context, s eventstore.Store, stream string, e event.Event) (uint64, error) {
	const tries = 10_000
	for range tries {
		history, err := s.Load(ctx, stream, 0)
		if err != nil && fault.ClassOf(err) != fault.Infra {
			return 0, err
		}
		if err != nil {
			continue
		}
		for i := range history {
			if history[i].ID == e.ID {
				return history[i].Version, nil
			}
		}
		one := []event.Event{e}
		err = s.Append(ctx, stream, uint64(len(history)), one)
		if err == nil {
			return one[0].Version, nil
		}
		if !errors.Is(err, eventstore.ErrConflict) && fault.ClassOf(err) != fault.Infra {
			return 0, err
		}
	}
	return 0, fmt.Errorf("%d tries to append to %s failed", tries, stream)
}

func allStreams(t *testing.T, s eventstore.Lister, limit int) []string {
	t.Helper()
	return streamsOf(t, s, eventstore.All, limit)
}

// streamsOf reads all pages of a part's streams and checks their sizes.
func streamsOf(t *testing.T, s eventstore.Lister, part eventstore.Part, limit int) []string {
	t.Helper()
	const maxPages = 10_000
	var all []string
	cursor := ""
	for range maxPages {
		names, next, err := s.Streams(t.Context(), part, cursor, limit)
		if err != nil {
			t.Fatalf("streams after %q: %v", cursor, err)
		}
		if len(names) > limit {
			t.Errorf("a page of %d streams, at most %d were asked for", len(names), limit)
		}
		all = append(all, names...)
		if next == "" {
			return all
		}
		cursor = next
	}
	t.Fatalf("the list of streams does not end")
	return nil
}

// feedPatience bounds how long events may take to come out of the feed.
const feedPatience = time.Minute

// follow reads the feed from cursor until enough returns true for the ids read, and returns the events and
// the cursor after them.
func follow(t *testing.T, feed eventstore.Feed, cursor string, limit int, enough func(ids map[string]bool) bool) ([]event.Event, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), feedPatience)
	defer cancel()
	var all []event.Event
	ids := map[string]bool{}
	for !enough(ids) {
		events, next, err := feed.Read(ctx, cursor, limit)
		if err != nil {
			t.Fatalf("feed after %q, with %d events: %v", cursor, len(ids), err)
		}
		// Read's limit is approximate: a store may complete a page that it has begun.
		if len(events) > 2*limit {
			t.Errorf("%d events at once, about %d were asked for", len(events), limit)
		}
		for i := range events {
			ids[events[i].ID] = true
		}
		all = append(all, events...)
		cursor = next
		if len(events) == 0 {
			time.Sleep(5 * time.Millisecond)
		}
	}
	return all, cursor
}

// count returns a condition that holds once that many different events have come.
func count(n int) func(map[string]bool) bool {
	return func(ids map[string]bool) bool { return len(ids) >= n }
}

// with returns a condition that holds once the event has come.
func with(id string) func(map[string]bool) bool {
	return func(ids map[string]bool) bool { return ids[id] }
}
