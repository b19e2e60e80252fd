package dynamo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/store/dynamo/feed"
)

func TestAppendWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, operation string
		count           int
	}{{"one event", "PutItem", 1}, {"several events", "TransactWriteItems", 3}} {
		t.Run(c.name+" is not taken for a conflict with itself", func(t *testing.T) {
			t.Parallel()
			table := newEventTable(t)
			store := NewEvents(realClient(t, through(losing(c.operation))), table)
			var events []event.Event
			for range c.count {
				events = append(events, testEvent(newName("")))
			}
			if err := store.Append(t.Context(), "order-o1", 0, events); err != nil {
				t.Fatal(err)
			}
			loaded, err := store.Load(t.Context(), "order-o1", 0)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(events, loaded); diff != "" {
				t.Errorf("the stream differs from what was appended (-appended +loaded):\n%s", diff)
			}
		})
		t.Run(c.name+" sent again meets the event of another and is a conflict", func(t *testing.T) {
			t.Parallel()
			table := newEventTable(t)
			other := func() {
				if err := NewEvents(realClient(t), table).Append(t.Context(), "order-o1", 0, []event.Event{testEvent("other")}); err != nil {
					t.Error(err)
				}
			}
			store := NewEvents(realClient(t, through(before(c.operation, other))), table)
			events := make([]event.Event, c.count)
			for i := range events {
				events[i] = testEvent(newName(""))
			}
			if err := store.Append(t.Context(), "order-o1", 0, events); !errors.Is(err, eventstore.ErrConflict) {
				t.Errorf("got %v, want a conflict", err)
			}
			if events[0].Version != 0 {
				t.Error("events that were not appended have versions")
			}
		})
	}
}

func TestAppendOfTheSameEventTwiceIsAConflict(t *testing.T) {
	t.Parallel()
	store := NewEvents(realClient(t), newEventTable(t))
	if err := store.Append(t.Context(), "order-o1", 0, []event.Event{testEvent("e1")}); err != nil {
		t.Fatal(err)
	}
	if err := store.Append(t.Context(), "order-o1", 0, []event.Event{testEvent("e1")}); !errors.Is(err, eventstore.ErrConflict) {
		t.Errorf("got %v, want a conflict", err)
	}
}

// TestItemSizes holds our count against the store's: what we let pass it must take, and one
// byte more it must refuse.
func TestItemSizes(t *testing.T) {
	t.Parallel()
	table := newEventTable(t)
	store := NewEvents(realClient(t), table)
	for _, expected := range []uint64{0, 8, 9, 98, 99, 12344, 99999} {
		e := testEvent("e1")
		e.Stream, e.Version = "order-学食", expected+1
		it, err := eventItem(&e)
		if err != nil {
			t.Fatal(err)
		}
		e.Payload = append(e.Payload, strings.Repeat(" ", maxItemBytes-itemSize(it))...)
		if err := store.Append(t.Context(), e.Stream, expected, []event.Event{e}); err != nil {
			t.Errorf("version %d of exactly the limit: %v", expected+1, err)
		}
		if numberSize(fmt.Sprint(expected+2)) != numberSize(fmt.Sprint(expected+1)) {
			continue
		}
		it["version"], it["payload"] = num(expected+2), str(string(e.Payload)+" ")
		if err := store.put(t.Context(), []item{it}); !errors.Is(err, eventstore.ErrTooLarge) {
			t.Errorf("a byte more than the limit, version %d: %v", expected+2, err)
		}
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	large := testEvent("e1")
	large.Payload = []byte(`"` + strings.Repeat("x", maxItemBytes) + `"`)
	half := testEvent("e2")
	half.Payload = large.Payload[:maxItemBytes/2]
	many := make([]event.Event, 30)
	for i := range many {
		many[i] = half
	}
	for name, c := range map[string]struct {
		stream string
		events []event.Event
	}{
		"an event":           {"order-o1", []event.Event{large}},
		"events together":    {"order-o1", many},
		"the stream's name":  {strings.Repeat("x", maxPartitionKey+1), []event.Event{testEvent("e1")}},
		"one event of three": {"order-o1", []event.Event{half, large, half}},
	} {
		t.Run(name+" is refused before anything is sent", func(t *testing.T) {
			t.Parallel()
			var sent atomic.Int64
			store := NewEvents(fakeClient(answer(200, "{}", &sent)), "events")
			if err := store.Append(t.Context(), c.stream, 0, c.events); !errors.Is(err, eventstore.ErrTooLarge) {
				t.Errorf("got %v, want ErrTooLarge", err)
			}
			if sent.Load() != 0 {
				t.Error("it was sent")
			}
		})
	}
	for name, count := range map[string]int{"one event": 1, "several events": 3} {
		t.Run("the store's own refusal of "+name+" is understood", func(t *testing.T) {
			t.Parallel()
			store := NewEvents(realClient(t), newEventTable(t))
			var items []item
			for i := range count {
				items = append(items, item{"stream": str("order-o1"), "version": num(i + 1), "payload": str(string(large.Payload))})
			}
			if err := store.put(t.Context(), items); !errors.Is(err, eventstore.ErrTooLarge) {
				t.Errorf("got %v, want ErrTooLarge", err)
			}
		})
	}
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	store := NewEvents(fakeClient(answer(200, "{}", &sent)), "events")
	broken := testEvent("e1")
	broken.Payload = []byte("\"\xff\"")
	for name, c := range map[string]struct {
		stream   string
		expected uint64
		events   []event.Event
	}{
		"more events than one append may have": {"order-o1", 0, make([]event.Event, eventstore.MaxAppend+1)},
		"no stream":                            {"", 0, []event.Event{testEvent("e1")}},
		"versions beyond the last":             {"order-o1", event.MaxVersion, []event.Event{testEvent("e1")}},
		"what is not UTF-8":                    {"order-o1", 0, []event.Event{broken}},
	} {
		if err := store.Append(t.Context(), c.stream, c.expected, c.events); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if sent.Load() != 0 {
		t.Error("something was sent")
	}
}

func TestStreamsComeOnceEachWhateverThePages(t *testing.T) {
	t.Parallel()
	store := NewEvents(realClient(t), newEventTable(t))
	want := map[string]int{}
	for i := range 40 {
		stream := newName("order-")
		want[stream] = 1
		events := make([]event.Event, 1+i%5)
		for i := range events {
			events[i] = testEvent("e")
		}
		if err := store.Append(t.Context(), stream, 0, events); err != nil {
			t.Fatal(err)
		}
	}
	for _, limit := range []int{1, 3, 40, 1000} {
		got := map[string]int{}
		for cursor := ""; ; {
			names, next, err := store.Streams(t.Context(), eventstore.All, cursor, limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(names) > limit {
				t.Errorf("%d names, %d were asked for", len(names), limit)
			}
			for _, name := range names {
				got[name]++
			}
			if cursor = next; next == "" {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", limit, diff)
		}
	}
}

func TestForeignCursorsAreRefused(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	client := fakeClient(answer(200, "{}", &sent))
	for _, cursor := range []string{"x", "{}", "e30", "AAAA", "bnVsbA"} {
		if _, _, err := NewEvents(client, "events").Streams(context.Background(), eventstore.All, cursor, 10); err == nil {
			t.Errorf("Streams took %q", cursor)
		}
		if _, _, err := NewTables(client, Options{}).Scan(context.Background(), ordersV1, eventstore.All, cursor, 10); err == nil {
			t.Errorf("Scan took %q", cursor)
		}
		if _, _, err := NewTables(client, Options{}).ParkedRecords(context.Background(), ordersV1, cursor, 10); err == nil {
			t.Errorf("ParkedRecords took %q", cursor)
		}
		if _, _, err := feed.New(client, nil, "events").Read(context.Background(), cursor, 10); err == nil {
			t.Errorf("Read took %q", cursor)
		}
	}
	if sent.Load() != 0 {
		t.Error("something was sent")
	}
}
