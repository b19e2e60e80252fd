package eventstoretest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
)

func testLoadAfter(t *testing.T, h Harness) {
	s := h.Open(t).Store
	events := newEvents(12)
	want := placed("loan-o1", 1, events)
	mustAppend(t, s, "loan-o1", 0, events...)
	mustAppend(t, s, "loan-o10", 0, newEvents(1)...)
	for _, after := range []uint64{0, 1, 9, 11} {
		if diff := diffEvents(want[after:], mustLoad(t, s, "loan-o1", after)); diff != "" {
			t.Errorf("after %d (-want +got):\n%s", after, diff)
		}
	}
	for _, after := range []uint64{12, 13, event.MaxVersion, 1<<64 - 1} {
		if got := mustLoad(t, s, "loan-o1", after); len(got) != 0 {
			t.Errorf("after %d, %d events came", after, len(got))
		}
	}
}

func testLoadMany(t *testing.T, h Harness) {
	s := h.Open(t).Store
	want := map[string][]event.Event{}
	var names []string
	for i := range 120 {
		stream := fmt.Sprintf("loan-%d", i)
		events := newEvents(1 + i%3)
		want[stream] = placed(stream, 1, events)
		names = append(names, stream, "loan-unknown-"+stream)
		mustAppend(t, s, stream, 0, events...)
	}
	names = append(names, names[:10]...) // requested twice, returned once
	got, err := s.LoadMany(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Errorf("%d streams came, want %d", len(got), len(want))
	}
	for stream := range want {
		if diff := diffEvents(want[stream], got[stream]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", stream, diff)
		}
	}
	if got, err := s.LoadMany(t.Context(), nil); err != nil || len(got) != 0 {
		t.Errorf("loading no streams: %v, %v", got, err)
	}
}

// testLongStream loads more than fits into any store's page, in number and in bytes.
func testLongStream(t *testing.T, h Harness) {
	s := h.Open(t).Store
	const total = 3000
	padding := strings.Repeat("唐", 300)
	var want []event.Event
	for len(want) < total {
		events := newEvents(eventstore.MaxAppend)
		for i := range events {
			events[i].Payload = fmt.Appendf(nil, `{"n":%d,"padding":"%s"}`, len(want)+i, padding)
		}
		want = append(want, placed("loan-o1", uint64(len(want))+1, events)...)
		mustAppend(t, s, "loan-o1", uint64(len(want)-len(events)), events...)
	}
	wantStream(t, s, "loan-o1", want)
	if diff := diffEvents(want[total-7:], mustLoad(t, s, "loan-o1", total-7)); diff != "" {
		t.Errorf("the end (-want +got):\n%s", diff)
	}
	many, err := s.LoadMany(t.Context(), []string{"loan-o1"})
	if err != nil || len(many["loan-o1"]) != total {
		t.Errorf("with many: %d events, %v", len(many["loan-o1"]), err)
	}
	if got := allStreams(t, s, 3); !slices.Equal(got, []string{"loan-o1"}) {
		t.Errorf("streams are %q", got)
	}
}

func testStreams(t *testing.T, h Harness) {
	s := h.Open(t).Store
	var want []string
	for i := range 60 {
		stream := fmt.Sprintf("loan-%03d", i*7%60)
		mustAppend(t, s, stream, 0, newEvents(1+i%5)...)
		want = append(want, stream)
	}
	slices.Sort(want)
	for _, limit := range []int{1, 7, 60, 1000} {
		got := allStreams(t, s, limit)
		slices.Sort(got) // the order is the store's own
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: got %q, want %q", limit, got, want)
		}
	}
	streamsWhileAppending(t, s, want)
}

func testStreamParts(t *testing.T, h Harness) {
	s := h.Open(t).Store
	var want []string
	for i := range 60 {
		stream := fmt.Sprintf("loan-%03d", i)
		mustAppend(t, s, stream, 0, newEvents(1+i%3)...)
		want = append(want, stream)
	}
	for _, parts := range []int{1, 2, 3, 7} {
		for _, limit := range []int{1, 9, 1000} {
			var got []string
			for index := range parts {
				got = append(got, streamsOf(t, s, eventstore.Part{Index: index, Count: parts}, limit)...)
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%d parts in pages of %d: got %q, want %q", parts, limit, got, want)
			}
		}
	}
}

// streamsWhileAppending adds streams between pages: those from the start still come once.
func streamsWhileAppending(t *testing.T, s eventstore.Store, before []string) {
	t.Helper()
	seen := map[string]int{}
	cursor := ""
	for page := range 1000 {
		names, next, err := s.Streams(t.Context(), eventstore.All, cursor, 9)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			seen[name]++
		}
		if cursor = next; next == "" {
			break
		}
		if page < 20 {
			mustAppend(t, s, fmt.Sprintf("loan-%03d-new", page*3), 0, newEvents(1)...)
		}
	}
	for _, name := range before {
		if seen[name] != 1 {
			t.Errorf("%s came %d times", name, seen[name])
		}
	}
}

func testEmpty(t *testing.T, h Harness) {
	opened := h.Open(t)
	wantStream(t, opened.Store, "loan-unknown", nil)
	if got, err := opened.Store.LoadMany(t.Context(), []string{"loan-unknown"}); err != nil || len(got) != 0 {
		t.Errorf("load many: %v, %v", got, err)
	}
	if got := allStreams(t, opened.Store, 10); len(got) != 0 {
		t.Errorf("streams: %q", got)
	}
	events, cursor, err := opened.Feed.Read(t.Context(), "", 10)
	if err != nil || len(events) != 0 {
		t.Fatalf("feed: %d events, %v", len(events), err)
	}
	mustAppend(t, opened.Store, "loan-o1", 0, newEvents(1)...)
	follow(t, opened.Feed, cursor, 10, count(1))
}

func testLargeEvents(t *testing.T, h Harness) {
	s := h.Open(t).Store
	payload := func(size int) string {
		const frame = len(`{"text":""}`)
		text := strings.Repeat("丼", (size-frame)/3)
		return `{"text":"` + text + strings.Repeat("x", size-frame-len(text)) + `"}`
	}
	large := newEvent(payload(h.MaxEventBytes - envelopeRoom))
	want := placed("loan-o1", 1, []event.Event{large})
	mustAppend(t, s, "loan-o1", 0, large)
	wantStream(t, s, "loan-o1", want)
	for name, events := range map[string][]event.Event{
		"one event":        {newEvent(payload(h.MaxEventBytes + 1))},
		"the last of some": {newEvent(`{}`), newEvent(payload(h.MaxEventBytes + 1))},
		"a huge one":       {newEvent(payload(5 << 20))},
	} {
		wantErr(t, name, s.Append(t.Context(), "loan-o1", 1, events), eventstore.ErrTooLarge)
		wantErr(t, name+" in a new stream", s.Append(t.Context(), "loan-o2", 0, events), eventstore.ErrTooLarge)
	}
	wantStream(t, s, "loan-o1", want)
	wantStream(t, s, "loan-o2", nil)
	mustAppend(t, s, "loan-o1", 1, newEvents(1)...)
}
