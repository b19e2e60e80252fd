package eventitem

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gakushoku/internal/event"
)

// golden is an item as it was stored by the first version. It must be read for ever.
var golden = map[string]string{
	"stream": "order-o1", "version": "2", "eventId": "e2", "type": "OrderPaid", "occurredAt": "2026-01-24T00:00:05.250Z",
	"correlationId": "c1", "payload": `{"orderId":"o1","paidAt":"2026-01-24T00:00:05.250Z"}`, "schema": "1",
	"causationId": "k1", "commandId": "k1", "commandHash": "h1", "actor": "user-7", "traceparent": "00-a-b-01",
	"command": "PayOrder", "role": "guest", "route": "POST /orders/{id}/pay", "origin": "1.AAEC",
}

var goldenEvent = event.Event{
	ID: "e2", Type: "OrderPaid", OccurredAt: event.InstantOfMilli(1769212805250), CorrelationID: "c1",
	Payload: []byte(`{"orderId":"o1","paidAt":"2026-01-24T00:00:05.250Z"}`), Stream: "order-o1", Version: 2, Schema: 1,
	CausationID: "k1", CommandID: "k1", CommandHash: "h1", Actor: "user-7", Traceparent: "00-a-b-01",
	Command: "PayOrder", Role: "guest", Route: "POST /orders/{id}/pay", Origin: "1.AAEC",
}

func fieldsOf(e *event.Event) map[string]string {
	fields := map[string]string{}
	for _, a := range Encode(e) {
		fields[a.Name] = a.Value
	}
	return fields
}

func TestGoldenItem(t *testing.T) {
	t.Parallel()
	got, err := Decode(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(goldenEvent, got); diff != "" {
		t.Errorf("the stored item is read differently (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(golden, fieldsOf(&goldenEvent)); diff != "" {
		t.Errorf("the event is stored differently (-want +got):\n%s", diff)
	}
}

func TestWhatIsEncodedIsDecoded(t *testing.T) {
	t.Parallel()
	text := rapid.String()
	rapid.Check(t, func(t *rapid.T) {
		want := event.Event{
			ID: "e" + text.Draw(t, "id"), Type: "T" + text.Draw(t, "type"), Stream: "s" + text.Draw(t, "stream"),
			OccurredAt: event.InstantOfMilli(rapid.Int64Range(0, 250_000_000_000_000).Draw(t, "at")), CorrelationID: text.Draw(t, "correlation"),
			Version: rapid.Uint64Range(1, event.MaxVersion).Draw(t, "version"), Schema: rapid.IntRange(1, 99).Draw(t, "schema"),
			CausationID: text.Draw(t, "cause"), CommandID: text.Draw(t, "command"), CommandHash: text.Draw(t, "hash"),
			Actor: text.Draw(t, "actor"), Traceparent: text.Draw(t, "trace"),
			Command: text.Draw(t, "command"), Role: text.Draw(t, "role"), Route: text.Draw(t, "route"), Origin: text.Draw(t, "origin"),
		}
		if payload := text.Draw(t, "payload"); payload != "" {
			want.Payload = []byte(payload)
		}
		got, err := Decode(fieldsOf(&want))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestNothingEmptyIsStored(t *testing.T) {
	t.Parallel()
	for _, a := range Encode(&event.Event{Stream: "s", Version: 1, ID: "e", Type: "T", Schema: 1}) {
		if a.Value == "" {
			t.Errorf("%s is stored empty", a.Name)
		}
	}
}

func TestItemsThatAreNoEventsAreRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(map[string]string){
		"no stream":             func(f map[string]string) { delete(f, Stream) },
		"no eventId":            func(f map[string]string) { delete(f, EventID) },
		"no type":               func(f map[string]string) { delete(f, Type) },
		"no version":            func(f map[string]string) { delete(f, Version) },
		"version 0":             func(f map[string]string) { f[Version] = "0" },
		"a negative version":    func(f map[string]string) { f[Version] = "-1" },
		"a broken version":      func(f map[string]string) { f[Version] = "1.5" },
		"a version too large":   func(f map[string]string) { f[Version] = "9223372036854775808" },
		"no time":               func(f map[string]string) { delete(f, OccurredAt) },
		"a broken time":         func(f map[string]string) { f[OccurredAt] = "yesterday" },
		"a broken schema":       func(f map[string]string) { f[Schema] = "one" },
		"nothing in it at all":  func(f map[string]string) { clear(f) },
		"a row of another kind": func(f map[string]string) { clear(f); f["pk"], f["sk"] = "r#order-o1", "row" },
	} {
		fields := maps.Clone(golden)
		if change(fields); fields == nil {
			t.Fatal("nothing to decode")
		}
		if e, err := Decode(fields); err == nil {
			t.Errorf("%s: taken for %+v", name, e)
		}
	}
}

func TestUnknownAttributesAreIgnored(t *testing.T) {
	t.Parallel()
	fields := maps.Clone(golden)
	fields["later"] = "x"
	got, err := Decode(fields)
	if diff := cmp.Diff(goldenEvent, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
