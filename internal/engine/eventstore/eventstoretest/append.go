package eventstoretest

import (
	"strings"
	"testing"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
)

func testRoundTrip(t *testing.T, h Harness) {
	s := h.Open(t).Store
	bare := event.Event{ID: "e-1", Type: "SomethingNewer", OccurredAt: event.InstantOfMilli(-1), CorrelationID: "c", Payload: []byte(`{}`), Schema: 1}
	events := []event.Event{newEvent(`{"loanId":"o1","total":780}`), bare}
	want := placed("loan-o1", 1, events)
	mustAppend(t, s, "loan-o1", 0, events...)
	wantStream(t, s, "loan-o1", want)

	more := newEvent(`{"loanId":"o1"}`)
	more.Schema = 7
	want = append(want, placed("loan-o1", 3, []event.Event{more})...)
	mustAppend(t, s, "loan-o1", 2, more)
	wantStream(t, s, "loan-o1", want)
}

func testPayloads(t *testing.T, h Harness) {
	s := h.Open(t).Store
	var events []event.Event
	for _, payload := range []string{
		`{}`,
		`{ "loanId" : "o1" ,	"total":780.00, "total":1e3 }`,
		"{\r\n  \"loanId\": \"o1\",\n  \"lines\": [\n ]\n}",
		`{"z":1,"a":2,"nested":{"deep":[[[{"x":null}]]]},"big":123456789012345678901234567890}`,
		`{"escapes":"\u0001\u001f\"\\\/\b\f\n\r\t\u00e9\ud83c\udf5c","raw":"é🍜"}`,
		`{"payload":{},"stream":"other","version":99,"eventId":"other","line":"\",\"payload\":{}"}`,
	} {
		events = append(events, newEvent(payload))
	}
	want := placed("loan-o1", 1, events)
	mustAppend(t, s, "loan-o1", 0, events...)
	wantStream(t, s, "loan-o1", want)
}

func testOddTexts(t *testing.T, h Harness) {
	s := h.Open(t).Store
	names := []string{
		"loan-学食-唐揚げ丼", "loan-🍜👩‍🍳", `loan-"quoted"'s`, `loan-back\slash`, "loan-%_*?[a]", "loan- spaced ",
		"loan-a/b#c?d=e&f", "loan-{}", "loan-é", "loan-e\u0301", "LOAN-CASE", "loan-case", "x", "loan-\u202eltr",
		"loan-" + strings.Repeat("長", (event.MaxStreamBytes-6)/3),
	}
	for _, name := range names {
		e := newEvent(`{"note":"` + "学食\u2028 \U0001F35C" + `"}`)
		e.ID, e.CorrelationID, e.Actor, e.CommandID = name+"-id", name, "調理師 \"七\"", "key\twith\ncontrols\u0001\u007f"
		want := placed(name, 1, []event.Event{e})
		mustAppend(t, s, name, 0, e)
		wantStream(t, s, name, want)
	}
	if got := allStreams(t, s, 4); len(got) != len(names) {
		t.Errorf("%d streams are listed, %d exist: %q", len(got), len(names), got)
	}
}

func testAppendSets(t *testing.T, h Harness) {
	s := h.Open(t).Store
	mustAppend(t, s, "loan-o1", 0, newEvents(2)...)
	events := newEvents(2)
	events[0].Stream, events[0].Version = "loan-other", 9
	want := placed("loan-o1", 3, events)
	if err := s.Append(t.Context(), "loan-o1", 2, events); err != nil {
		t.Fatal(err)
	}
	if diff := diffEvents(want, events); diff != "" {
		t.Errorf("the events after the append (-want +got):\n%s", diff)
	}
	events[0].Payload[2] = 'X'
	want[0].Payload = newEvents(1)[0].Payload
	if diff := diffEvents(want, mustLoad(t, s, "loan-o1", 2)); diff != "" {
		t.Errorf("the store shares memory with the caller (-want +got):\n%s", diff)
	}
}

func testMaxAppend(t *testing.T, h Harness) {
	s := h.Open(t).Store
	events := newEvents(eventstore.MaxAppend)
	want := placed("loan-o1", 1, events)
	mustAppend(t, s, "loan-o1", 0, events...)
	wantStream(t, s, "loan-o1", want)
	if err := s.Append(t.Context(), "loan-o2", 0, newEvents(eventstore.MaxAppend+1)); err == nil {
		t.Error("more than MaxAppend events were taken")
	}
	wantStream(t, s, "loan-o2", nil)
}

func testInvalidCalls(t *testing.T, h Harness) {
	s := h.Open(t).Store
	broken := newEvent("{\"text\":\"\xff\"}")
	brokenID := newEvent(`{}`)
	brokenID.ID = "id-\xc3\x28"
	for name, call := range map[string]struct {
		stream   string
		expected uint64
		events   []event.Event
	}{
		"no stream":                   {"", 0, newEvents(1)},
		"no events":                   {"loan-o1", 0, nil},
		"versions beyond the last":    {"loan-o1", event.MaxVersion, newEvents(1)},
		"versions beyond every store": {"loan-o1", 1<<64 - 1, newEvents(1)},
		"a payload that is not UTF-8": {"loan-o1", 0, []event.Event{broken}},
		"an id that is not UTF-8":     {"loan-o1", 0, []event.Event{brokenID}},
		"one bad event of several":    {"loan-o1", 0, []event.Event{newEvent(`{}`), broken}},
		"a stream that is not UTF-8":  {"loan-\xff", 0, newEvents(1)},
		"an event without an id":      {"loan-o1", 0, []event.Event{{Type: "T", Payload: []byte(`{}`), Schema: 1}}},
		"an event without a type":     {"loan-o1", 0, []event.Event{{ID: "e", Payload: []byte(`{}`), Schema: 1}}},
	} {
		err := s.Append(t.Context(), call.stream, call.expected, call.events)
		if err == nil {
			t.Errorf("%s: taken", name)
		}
		for _, e := range call.events {
			if e.Version != 0 || e.Stream != "" {
				t.Errorf("%s: the events that were refused have a place: %s %d", name, e.Stream, e.Version)
			}
		}
	}
	wantStream(t, s, "loan-o1", nil)
	if got := allStreams(t, s, 10); len(got) != 0 {
		t.Errorf("streams came to be: %q", got)
	}
}

func testConflicts(t *testing.T, h Harness) {
	s := h.Open(t).Store
	first := newEvents(3)
	want := placed("loan-o1", 1, first)
	mustAppend(t, s, "loan-o1", 0, first...)
	for _, expected := range []uint64{0, 1, 2} {
		events := newEvents(1)
		wantErr(t, "append after an old version", s.Append(t.Context(), "loan-o1", expected, events), eventstore.ErrConflict)
		if events[0].Version != 0 || events[0].Stream != "" {
			t.Errorf("an event that was not appended has a place: %s %d", events[0].Stream, events[0].Version)
		}
	}
	wantErr(t, "the same event again", s.Append(t.Context(), "loan-o1", 0, []event.Event{first[0]}), eventstore.ErrConflict)
	if h.Features.DetectsGaps {
		wantErr(t, "append beyond the end", s.Append(t.Context(), "loan-o1", 4, newEvents(1)), eventstore.ErrConflict)
		wantErr(t, "append beyond nothing", s.Append(t.Context(), "loan-o2", 1, newEvents(1)), eventstore.ErrConflict)
	}
	wantStream(t, s, "loan-o1", want)
	more := newEvents(1)
	want = append(want, placed("loan-o1", 4, more)...)
	mustAppend(t, s, "loan-o1", 3, more...)
	wantStream(t, s, "loan-o1", want)
}

func testAtomic(t *testing.T, h Harness) {
	s := h.Open(t).Store
	first := newEvents(3)
	want := placed("loan-o1", 1, first)
	mustAppend(t, s, "loan-o1", 0, first...)
	for name, expected := range map[string]uint64{"all taken": 1, "only the first taken": 2} {
		wantErr(t, name, s.Append(t.Context(), "loan-o1", expected, newEvents(2)), eventstore.ErrConflict)
	}
	wantStream(t, s, "loan-o1", want)
	if h.Features.DetectsGaps {
		return
	}
	// In a store that allows gaps, this makes a stream in which only the later version is taken.
	second := newEvents(1)
	want = placed("loan-o2", 2, second)
	mustAppend(t, s, "loan-o2", 1, second...)
	wantErr(t, "only the second taken", s.Append(t.Context(), "loan-o2", 0, newEvents(2)), eventstore.ErrConflict)
	wantStream(t, s, "loan-o2", want)
}
