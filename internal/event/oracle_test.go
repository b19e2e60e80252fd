package event_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/event"
)

// oracle is Decode written with the standard library and without a thought of speed: what
// Decode has to agree with, in what it accepts and in what comes out.
func oracle(line []byte) (e event.Event, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = r.(refused)
		}
	}()
	if !utf8.Valid(line) {
		panic(refused{errors.New("not UTF-8")})
	}
	fields := object(line)
	e = event.Event{
		ID: str(fields["eventId"]), Type: str(fields["type"]), CorrelationID: str(fields["correlationId"]),
		Payload: fields["payload"], Stream: str(fields["stream"]),
		Version: uint64(integer(fields["version"])), Schema: int(int32(integer(fields["schema"]))),
		CausationID: str(fields["causationId"]), CommandID: str(fields["commandId"]), CommandHash: str(fields["commandHash"]),
		Actor: str(fields["actor"]), Traceparent: str(fields["traceparent"]),
		Command: str(fields["command"]), Role: str(fields["role"]), Route: str(fields["route"]), Origin: str(fields["origin"]),
	}
	var occurredAt time.Time
	refuse(occurredAt.UnmarshalText([]byte(str(fields["occurredAt"]))))
	if y := occurredAt.UTC().Year(); y < 0 || y > 9999 {
		panic(refused{errors.New("year")})
	}
	e.OccurredAt = event.InstantOf(occurredAt)
	payload := object(fields["payload"])
	if e.ID == "" || e.Type == "" || payload == nil || integer(fields["schema"]) != int64(e.Schema) {
		panic(refused{errors.New("a required field")})
	}
	if e.Schema == 0 {
		e.Schema = 1
	}
	if e.Stream == "" && strings.HasPrefix(e.Type, "Order") {
		id := str(payload["orderId"])
		if id == "" {
			panic(refused{errors.New("no stream")})
		}
		e.Stream = "order-" + id
	}
	return e, nil
}

type refused struct{ error }

func refuse(err error) {
	if err != nil {
		panic(refused{err})
	}
}

func object(raw json.RawMessage) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	refuse(json.Unmarshal(raw, &m))
	return m
}

func str(raw json.RawMessage) (s string) {
	if raw != nil {
		refuse(json.Unmarshal(raw, &s))
	}
	return s
}

// integer is not negative, as versions and schemas are.
func integer(raw json.RawMessage) (n int64) {
	if raw != nil {
		refuse(json.Unmarshal(raw, &n))
	}
	if n < 0 {
		panic(refused{errors.New("negative")})
	}
	return n
}

// seeds are spellings from which fuzzing starts.
var seeds = []string{
	`{"eventId":"e1","type":"OrderPlaced","occurredAt":"2026-01-24T00:00:00.000Z","correlationId":"c1","payload":{"orderId":"o1","total":780}}`,
	`{"eventId":"e2","type":"OrderPaid","occurredAt":"2026-01-24T00:01:00.000Z","correlationId":"c2","payload":{"orderId":"o1","paidAt":"2026-01-24T00:01:00.000Z"}}` + "\r",
	` { "schema" : 2 , "version" : 7 , "payload" : { "total" : -1 , "orderId" : "\u98df\ud83c\udf59\/\b" , "lines" : [ ] } , "type" : "Order\u0050laced" , "occurredAt" : "2026-01-24T09:00:00+09:00" , "eventId" : "e" } `,
	`{"eventId":1,"eventId":"e","type":"x","occurredAt":"2026-01-24T00:00:00.123456789-23:59","payload":{},"stream":null,"extra":[1.5e-3,true,false,null,"\\\"",{"a":[]}],"version":9223372036854775807,"schema":0}`,
	`{"eventId":"\ud800","type":"t","occurredAt":"0000-01-01T00:00:00Z","payload":{"orderId":"a","orderId":null},"version":-0}`,
	`{"eventId":"e","type":"Order","occurredAt":"9999-12-31T23:59:59Z","payload":{"orderId":""},"stream":"s","version":1e3}`,
	`{"eventId":"e","type":"t","occurredAt":"2024-02-29T23:59:60Z","payload":[]}`,
	`[]`, `null`, `{}`, `{`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a" 1}`, `{"a":01}`, `{"a":-}`, `{"a":1.}`, `{"a":"\x"}`, "{\"a\":\"\x01\"}", "\xef\xbb\xbf{}", "{\"\xff\":1}", `{}{}`,
}

func FuzzDecode(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	d := event.NewDecoder()
	f.Fuzz(func(t *testing.T, line []byte) { checkLine(t, d, line) })
}

// checkLine wants a line to be what the standard library makes of it.
func checkLine(t *testing.T, d *event.Decoder, line []byte) {
	t.Helper()
	want, refusal := oracle(line)
	var got, shared event.Event
	err := event.Decode(line, &got)
	if (err == nil) != (refusal == nil) {
		t.Fatalf("Decode: %v; the standard library: %v\n%s", err, refusal, line)
	}
	if sharedErr := d.Decode(line, &shared); (sharedErr == nil) != (err == nil) {
		t.Fatalf("with a Decoder: %v; without: %v\n%s", sharedErr, err, line)
	}
	if err != nil {
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s\n%s", diff, line)
	}
	if diff := cmp.Diff(got, shared); diff != "" {
		t.Fatalf("with a Decoder: %s\n%s", diff, line)
	}
	checkWritten(t, &got)
}

// checkWritten writes an event and reads it back.
func checkWritten(t interface{ Fatal(args ...any) }, e *event.Event) {
	written := event.AppendJSON(nil, e)
	if strings.ContainsAny(string(written), "\r\n") {
		t.Fatal("written over several lines: " + string(written))
	}
	var again event.Event
	if err := event.Decode(written, &again); err != nil {
		t.Fatal("what was written does not decode: ", err, string(written))
	}
	want := *e
	want.Payload = []byte(strings.NewReplacer("\n", "", "\r", "").Replace(string(e.Payload)))
	if diff := cmp.Diff(want, again); diff != "" {
		t.Fatal("written and read again: ", diff)
	}
}

func FuzzDecodePayload(f *testing.F) {
	for _, s := range []string{
		`{"orderId":"o1","total":780}`, `{"orderId":"o1","total":780,"lines":[{"product":"p","quantity":1,"unitPrice":2},{"unitPrice":-0,"x":{},"product":"\u0070","quantity":3}]}`,
		`{"orderId":"o","paidAt":"2026-01-24T00:01:00.000Z","paymentMethod":"CASH"}`, `{"orderId":"o","amount":9223372036854775808,"paymentMethod":"CARD"}`,
		`{"lines":7,"orderId":"o","lines":null,"total":1}`, `{"lines":[{}],"orderId":"o","lines":[],"total":1}`, `{"orderId":"o","reason":null}`, `{"total":1.0}`, `[]`, "",
		`{"orderId":"o","total":1,"lines":[{"product":"p","quantity":1,"unitPrice":2},]}`,
	} {
		for kind := range uint8(8) {
			f.Add([]byte(s), kind, kind)
		}
	}
	f.Fuzz(checkPayload)
}

// payloadTypes are the types that have a payload, and one that nobody knows.
var payloadTypes = []string{
	order.PlacedType, order.PaidType, order.PreparationStartedType, order.ReadyType,
	order.PickedUpType, order.CancelledType, order.RefundedType, "Other",
}

// checkPayload wants a payload to be what the standard library makes of it.
func checkPayload(t *testing.T, payload []byte, kind, schema uint8) {
	t.Helper()
	e := event.Event{Type: payloadTypes[int(kind)%len(payloadTypes)], Schema: 1 + int(schema)%3, Payload: payload}
	want, refusal := oraclePayload(&e)
	got, err := event.DecodePayload(&e)
	if (err == nil) != (refusal == nil) {
		t.Fatalf("DecodePayload(%s): %v; the standard library: %v\n%s", e.Type, err, refusal, payload)
	}
	if err != nil {
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s\n%s", diff, payload)
	}
	checkNewPayload(t, got)
}

// checkNewPayload stores a payload as it is written today and reads it back.
func checkNewPayload(t *testing.T, p event.Payload) {
	e, err := event.New(p)
	if err != nil {
		t.Fatal(err)
	}
	again, err := event.DecodePayload(&e)
	if err != nil {
		t.Fatalf("New(%+v) does not decode: %v", p, err)
	}
	if diff := cmp.Diff(p, again); diff != "" {
		t.Fatal("stored and read again: ", diff)
	}
}

// oraclePayload is DecodePayload with the standard library.
func oraclePayload(e *event.Event) (p event.Payload, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = r.(refused)
		}
	}()
	if !utf8.Valid(e.Payload) {
		panic(refused{errors.New("not UTF-8")})
	}
	m := object(e.Payload)
	id := required(m, "orderId", str)
	newest := map[string]int{order.PlacedType: 2, order.PaidType: 2}[e.Type]
	if e.Schema > max(newest, 1) || id == "" {
		panic(refused{errors.New("schema or orderId")})
	}
	switch e.Type {
	case order.PlacedType:
		return order.Placed{OrderID: id, Total: required(m, "total", amount), Lines: lines(m["lines"])}, nil
	case order.PaidType:
		return order.Paid{OrderID: id, PaidAt: instant(m["paidAt"]), Method: method(m, e.Schema > 1)}, nil
	case order.PreparationStartedType:
		return order.PreparationStarted{OrderID: id}, nil
	case order.ReadyType:
		return order.Ready{OrderID: id}, nil
	case order.PickedUpType:
		return order.PickedUp{OrderID: id}, nil
	case order.CancelledType:
		reason := str(m["reason"])
		if e.Schema > 1 && reason != "" && reason != order.ReasonExpired {
			panic(refused{errors.New("what people say is not part of events")})
		}
		return order.Cancelled{OrderID: id, Reason: reason}, nil
	case order.RefundedType:
		return order.Refunded{OrderID: id, Amount: required(m, "amount", amount), Method: method(m, true)}, nil
	}
	panic(refused{event.ErrUnknownType})
}

func required[T any](m map[string]json.RawMessage, key string, read func(json.RawMessage) T) T {
	if raw, ok := m[key]; !ok || string(raw) == "null" {
		panic(refused{errors.New(key)})
	}
	return read(m[key])
}

func amount(raw json.RawMessage) (n int64) {
	refuse(json.Unmarshal(raw, &n))
	return n
}

func instant(raw json.RawMessage) event.Instant {
	if raw == nil || string(raw) == "null" {
		return 0
	}
	var at time.Time
	refuse(at.UnmarshalText([]byte(str(raw))))
	if y := at.UTC().Year(); y < 0 || y > 9999 {
		panic(refused{errors.New("year")})
	}
	return event.InstantOf(at)
}

func method(m map[string]json.RawMessage, needed bool) order.PaymentMethod {
	switch s := order.PaymentMethod(str(m["paymentMethod"])); s {
	case order.MethodCard, order.MethodCash, order.MethodUnknown:
		return s
	case "":
		if !needed {
			return order.MethodUnknown
		}
	}
	panic(refused{errors.New("method")})
}

func lines(raw json.RawMessage) (out []order.Line) {
	var all []json.RawMessage
	if raw != nil {
		refuse(json.Unmarshal(raw, &all))
	}
	for _, one := range all {
		if string(one) == "null" {
			panic(refused{errors.New("a null line")})
		}
		m := object(one)
		l := order.Line{Product: required(m, "product", str), Quantity: required(m, "quantity", amount), UnitPrice: required(m, "unitPrice", amount)}
		if l.Product == "" {
			panic(refused{errors.New("product")})
		}
		out = append(out, l)
	}
	return out
}

// rfc3339 is the form that package time does not insist on.
var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

func FuzzParseInstant(f *testing.F) {
	for _, s := range []string{"2026-01-24T00:00:00.000Z", "2024-02-29T23:59:59.999Z", "2023-02-29T00:00:00.000Z", "0000-01-01T00:00:00.000Z",
		"9999-12-31T23:59:59.999-00:01", "1969-12-31T23:59:59.9999Z", "2026-01-24T00:00:00+09:00", "2026-1-24T00:00:00Z", "", "2026-01-24T24:00:00.000Z", "2026-01-24T00:00:00,123Z", "2026-01-24T00:00:00+24:00", "2026-01-24T00:00:00+09:60", "2026-01-24t00:00:00z", "2026-01-24T00:00:00.Z", "2016-12-31T23:59:60Z", "2026-00-10T00:00:00.000Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want time.Time
		refusal := want.UnmarshalText([]byte(s))
		if y := want.UTC().Year(); y < 0 || y > 9999 {
			refusal = errors.New("the year")
		}
		if !rfc3339.MatchString(s) {
			refusal = errors.New("the form")
		}
		got, err := event.ParseInstant(s)
		if (err == nil) != (refusal == nil) {
			t.Fatalf("ParseInstant(%q): %v; package time: %v", s, err, refusal)
		}
		if err == nil && got != event.InstantOf(want) {
			t.Fatalf("ParseInstant(%q) = %s, want %s", s, got, want)
		}
		if err == nil {
			if again, err := event.ParseInstant(got.String()); err != nil || again != got {
				t.Fatalf("%s is read back as %s: %v", got, again, err)
			}
		}
	})
}

func TestInstantsAreWrittenAsPackageTimeWritesThem(t *testing.T) {
	t.Parallel()
	moments := rapid.OneOf(
		rapid.Int64Range(-62167219200000, 253402300799999),
		rapid.Map(rapid.Int64Range(0, 2932896), func(day int64) int64 { return day * 86_400_000 }), // the first moment of a day
		rapid.Map(rapid.Int64Range(0, 2932896), func(day int64) int64 { return day*86_400_000 - 1 }),
		rapid.SampledFrom([]int64{-1, 0, 1, 253402300799999, 253402300800000, 951782399999, 951782400000, 4107542399999, 4107542400000}),
	)
	rapid.Check(t, func(t *rapid.T) {
		at := event.InstantOfMilli(moments.Draw(t, "instant"))
		if got, want := at.String(), at.Time().Format("2006-01-02T15:04:05.000Z"); got != want {
			t.Fatalf("%d: %s, want %s", int64(at), got, want)
		}
	})
}
