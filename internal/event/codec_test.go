package event_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/event"
)

const (
	placedLine = `{"eventId":"e1","type":"OrderPlaced","occurredAt":"2026-01-24T00:00:00.000Z","correlationId":"c1","payload":{"orderId":"o1","total":780}}`
	paidLine   = `{"eventId":"e2","type":"OrderPaid","occurredAt":"2026-01-24T00:01:00.000Z","correlationId":"c2","payload":{"orderId":"o1","paidAt":"2026-01-24T00:01:00.000Z"}}`
)

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	change := func(old, new string) string { return strings.Replace(placedLine, old, new, 1) }
	for name, tc := range map[string]struct{ line, want string }{
		"an empty line":                 {"", "byte 1: expected '{', the beginning of an event, found the end"},
		"another value":                 {`["x"]`, "byte 1: expected '{', the beginning of an event, found '['"},
		"a line that was cut":           {placedLine[:20], "byte 21: expected the closing quote of a string, found the end"},
		"more than one value":           {placedLine + "{}", "byte 138: expected nothing after the value, found '{'"},
		"a comma too many":              {`{"a":1,}`, "byte 8: expected a key in double quotes, found '}'"},
		"a comma too few":               {`{"a":1 "b":2}`, `byte 8: expected ',' or '}', found '"'`},
		"a missing colon":               {`{"a" 1}`, "byte 6: expected ':' after the key, found '1'"},
		"no value":                      {`{"a":,}`, "byte 6: expected a value, found ','"},
		"a misspelt word":               {`{"a":nul}`, "byte 6: expected a value, found 'n'"},
		"a leading zero":                {`{"a":01}`, "byte 7: expected ',' or '}', found '1'"},
		"a number without digits":       {`{"a":-x}`, "byte 7: expected a digit, found 'x'"},
		"an unclosed array":             {`{"a":[1}`, "byte 8: expected ',' or ']', found '}'"},
		"a control character":           {"{\"a\":\"b\tc\"}", `byte 8: control character '\t' in a string: write it as an escape`},
		"an unknown escape":             {`{"a":"\x41"}`, `byte 7: expected an escape such as \n or \u00e9`},
		"a short escape":                {`{"a":"\u12"}`, `byte 7: expected an escape such as \n or \u00e9`},
		"a byte that is not UTF-8":      {"{\"a\":\"\xe9\"}", "byte 7: the text is not valid UTF-8"},
		"a byte order mark":             {"\ufeff" + placedLine, `byte 1: expected '{', the beginning of an event, found '\ufeff'`},
		"too deep":                      {`{"a":` + strings.Repeat("[", 20_000), "values nest deeper than 10000"},
		"no eventId":                    {change(`"eventId":"e1",`, ""), "eventId is missing"},
		"an empty eventId":              {change(`"e1"`, `""`), "eventId is empty"},
		"an eventId of another type":    {change(`"e1"`, `17`), "byte 12: eventId must be a string, not a number"},
		"another case":                  {change(`"eventId"`, `"eventid"`), "eventId is missing"},
		"no type":                       {change(`"type":"OrderPlaced"`, `"type":null`), "type is missing"},
		"an empty type":                 {change(`"OrderPlaced"`, `""`), "type is empty"},
		"no time":                       {change(`"occurredAt"`, `"at"`), "occurredAt is missing"},
		"a time that is none":           {change(`2026-01-24T00:00:00.000Z`, `yesterday`), `occurredAt: "yesterday" is not an RFC 3339 time such as 2026-01-24T00:00:00.000Z`},
		"no payload":                    {change(`"payload"`, `"data"`), "payload is missing"},
		"a payload that is no object":   {change(`{"orderId":"o1","total":780}`, `"o1"`), `byte 109: payload must be an object, not a string`},
		"no orderId":                    {change(`"orderId"`, `"id"`), "OrderPlaced has neither a stream nor payload.orderId"},
		"an orderId of another type":    {change(`"o1"`, `1`), "payload.orderId must be a string, not a number"},
		"a correlationId of other type": {change(`"c1"`, `{}`), "correlationId must be a string, not an object"},
		"a version with a fraction":     {change(`"payload"`, `"version":1.5,"payload"`), "version must be an integer from 0 to 9223372036854775807, not 1.5"},
		"a version with an exponent":    {change(`"payload"`, `"version":1e3,"payload"`), "version must be an integer from 0 to 9223372036854775807, not 1e3"},
		"a negative version":            {change(`"payload"`, `"version":-1,"payload"`), "version must be an integer"},
		"a version too large":           {change(`"payload"`, `"version":9223372036854775808,"payload"`), "version must be an integer"},
		"a version in quotes":           {change(`"payload"`, `"version":"1","payload"`), "version must be an integer, not a string"},
		"a negative schema":             {change(`"payload"`, `"schema":-1,"payload"`), "schema must be an integer from 0 to 2147483647, not -1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var e event.Event
			if err := event.Decode([]byte(tc.line), &e); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Decode = %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestDecodeCompletesTheSeedsLines(t *testing.T) {
	t.Parallel()
	var got event.Event
	if err := event.Decode([]byte(paidLine), &got); err != nil {
		t.Fatal(err)
	}
	want := event.Event{
		ID: "e2", Type: "OrderPaid", OccurredAt: event.InstantOfMilli(1769212860000), CorrelationID: "c2", Stream: "order-o1", Schema: 1,
		Payload: []byte(`{"orderId":"o1","paidAt":"2026-01-24T00:01:00.000Z"}`),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeLeavesAMissingCorrelationIDEmpty(t *testing.T) {
	t.Parallel()
	var e event.Event
	if err := event.Decode([]byte(strings.Replace(placedLine, `"correlationId":"c1",`, "", 1)), &e); err != nil || e.CorrelationID != "" {
		t.Errorf("correlationId %q, %v", e.CorrelationID, err)
	}
}

func TestDecodePayloadSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		kind    string
		schema  int
		payload string
		want    string
	}{
		"a type of the future":     {"OrderEaten", 1, `{}`, `unknown event type "OrderEaten"`},
		"a schema of the future":   {"OrderPlaced", 4, `{"orderId":"o","total":1}`, "payload of OrderPlaced: schema 4 is newer than this program knows (3): use a newer gakushoku"},
		"no payload":               {"OrderReady", 1, ``, "payload of OrderReady: byte 1: expected '{', the beginning of the payload, found the end"},
		"no orderId":               {"OrderReady", 1, `{}`, "payload of OrderReady: orderId is missing"},
		"an empty orderId":         {"OrderReady", 1, `{"orderId":""}`, "orderId is missing"},
		"no total":                 {"OrderPlaced", 1, `{"orderId":"o"}`, "payload of OrderPlaced: total is missing"},
		"a total with a fraction":  {"OrderPlaced", 1, `{"orderId":"o","total":7.5}`, "byte 24: total must be an integer"},
		"a total in quotes":        {"OrderPlaced", 1, `{"orderId":"o","total":"780"}`, "byte 24: total must be an integer, not a string"},
		"a total too large":        {"OrderPlaced", 1, `{"orderId":"o","total":9223372036854775808}`, "total must be an integer"},
		"lines that are no array":  {"OrderPlaced", 2, `{"orderId":"o","total":1,"lines":{}}`, "lines must be an array, not an object"},
		"a line that is no object": {"OrderPlaced", 2, `{"orderId":"o","total":1,"lines":[7]}`, "line 1: byte 35: a line must be an object, not a number"},
		"a line without product":   {"OrderPlaced", 2, `{"orderId":"o","total":1,"lines":[{"product":"p","quantity":1,"unitPrice":1},{"quantity":1,"unitPrice":1}]}`, "line 2: product is missing"},
		"a line without quantity":  {"OrderPlaced", 2, `{"orderId":"o","total":1,"lines":[{"product":"p","unitPrice":1}]}`, "line 1: quantity is missing"},
		"a line without price":     {"OrderPlaced", 2, `{"orderId":"o","total":1,"lines":[{"product":"p","quantity":1}]}`, "line 1: unitPrice is missing"},
		"a payment without method": {"OrderPaid", 2, `{"orderId":"o","paidAt":"2026-01-24T00:01:00.000Z"}`, "paymentMethod is missing"},
		"an unknown method":        {"OrderPaid", 1, `{"orderId":"o","paymentMethod":"SHELLS"}`, `paymentMethod is "SHELLS", not CARD, CASH or UNKNOWN`},
		"a time that is none":      {"OrderPaid", 1, `{"orderId":"o","paidAt":"noon"}`, `paidAt: "noon" is not an RFC 3339 time`},
		"a refund of nothing":      {"OrderRefunded", 1, `{"orderId":"o","paymentMethod":"CARD"}`, "amount is missing"},
		"a refund without method":  {"OrderRefunded", 1, `{"orderId":"o","amount":1}`, "paymentMethod is missing"},
		"a reason of other type":   {"OrderCancelled", 1, `{"orderId":"o","reason":["x"]}`, "reason must be a string, not an array"},
		"a cut payload":            {"OrderCancelled", 1, `{"orderId":"o"`, "expected ',' or '}', found the end"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := event.DecodePayload(&event.Event{Type: tc.kind, Schema: tc.schema, Payload: []byte(tc.payload)})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("DecodePayload = %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestOrderPaidOfSchema1KeepsAMethodThatItHas(t *testing.T) {
	t.Parallel()
	p, err := event.DecodePayload(&event.Event{Type: "OrderPaid", Schema: 1, Payload: []byte(`{"orderId":"o","paymentMethod":"CASH"}`)})
	if diff := cmp.Diff(event.Payload(order.Paid{OrderID: "o", Method: order.MethodCash}), p); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestCheckRefusesWhatMustNotBeImported(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*event.Event)
		want   string
	}{
		"another order's stream":        {func(e *event.Event) { e.Stream = "order-o2" }, `stream is "order-o2" but payload.orderId belongs to "order-o1"`},
		"a payload without total":       {func(e *event.Event) { e.Payload = []byte(`{"orderId":"o1"}`) }, "total is missing"},
		"no eventId":                    {func(e *event.Event) { e.ID = "" }, "eventId is missing"},
		"an eventId too long":           {func(e *event.Event) { e.ID = strings.Repeat("x", 129) }, "has 129 bytes, at most 128 are allowed"},
		"an eventId of several lines":   {func(e *event.Event) { e.ID = "a\nb" }, `eventId "a\nb" contains the control character '\n'`},
		"an orderId too long":           {about(strings.Repeat("x", 129)), "has 129 bytes"},
		"an orderId with a slash":       {about("a/b"), `payload.orderId "a/b" contains '/'`},
		"an orderId with a space":       {about("a b"), `payload.orderId "a b" contains ' '`},
		"a correlationId too long":      {func(e *event.Event) { e.CorrelationID = strings.Repeat("x", 257) }, "has 257 bytes"},
		"an actor that is not UTF-8":    {func(e *event.Event) { e.Actor = "\xff" }, "is not valid UTF-8"},
		"a version that no store takes": {func(e *event.Event) { e.Version = 1 << 63 }, "version 9223372036854775808 is above"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var e event.Event
			if err := event.Decode([]byte(placedLine), &e); err != nil {
				t.Fatal(err)
			}
			tc.change(&e)
			if err := event.Check(&e); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Check = %v\nwant %s", err, tc.want)
			}
		})
	}
}

// about changes the order that an event is about.
func about(id string) func(*event.Event) {
	return func(e *event.Event) {
		e.Payload = fmt.Appendf(nil, `{"orderId":%q,"total":1}`, id)
		e.Stream = order.Stream(id)
	}
}

func TestCheckAllowsWhatIsUnusualButHarmless(t *testing.T) {
	t.Parallel()
	var e event.Event
	if err := event.Decode([]byte(placedLine), &e); err != nil {
		t.Fatal(err)
	}
	about("学食🍙-1")(&e)
	e.ID, e.CorrelationID = "2026/01/24#7", "who knows what"
	if err := event.Check(&e); err != nil {
		t.Error(err)
	}
	e.Type = "OrderEaten"
	if err := event.Check(&e); !errors.Is(err, event.ErrUnknownType) {
		t.Errorf("Check = %v, want ErrUnknownType", err)
	}
}

func TestAppendJSONWritesAFixedOrderAndEscapesOnlyWhatItMust(t *testing.T) {
	t.Parallel()
	e := event.Event{ID: "<&>\"\\\x00\x1f\u2028é", Type: "T", Payload: []byte("{\r\n \"a\":1}"), Actor: "a\xffb", Version: 1, Stream: "s"}
	want := `{"eventId":"<&>\"\\\u0000\u001f` + "\u2028é" + `","type":"T","occurredAt":"1970-01-01T00:00:00.000Z","correlationId":"","payload":{ "a":1},"stream":"s","version":1,"actor":"a` + "\ufffd" + `b"}`
	if got := string(event.AppendJSON(nil, &e)); got != want {
		t.Errorf("AppendJSON = %s\nwant         %s", got, want)
	}
	if got, want := string(event.AppendJSON([]byte("x"), &event.Event{})), `x{"eventId":"","type":"","occurredAt":"1970-01-01T00:00:00.000Z","correlationId":"","payload":{}}`; got != want {
		t.Errorf("AppendJSON = %s\nwant         %s", got, want)
	}
}

func TestDecoderMemoryIsUsedAgainOnlyAfterReset(t *testing.T) {
	t.Parallel()
	d := event.NewDecoder()
	var events [2000]event.Event
	for round := range 3 {
		d.Reset()
		for i := range events {
			line := strings.Replace(placedLine, `"o1"`, fmt.Sprintf(`"o-%d-\u00e9-%d"`, round, i), 1)
			if err := d.Decode([]byte(line), &events[i]); err != nil {
				t.Fatal(err)
			}
		}
		for i := range events {
			if want := fmt.Sprintf("order-o-%d-é-%d", round, i); events[i].Stream != want {
				t.Fatalf("stream %q, want %q", events[i].Stream, want)
			}
		}
	}
}

func TestCloneSharesNothingWithTheLine(t *testing.T) {
	t.Parallel()
	line := []byte(placedLine)
	var e event.Event
	if err := event.Decode(line, &e); err != nil {
		t.Fatal(err)
	}
	kept := e.Clone()
	for i := range line {
		line[i] = 'X'
	}
	var want event.Event
	if err := event.Decode([]byte(placedLine), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, kept); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	line, d := []byte(paidLine), event.NewDecoder()
	var e event.Event
	var p order.Paid
	allocations := testing.AllocsPerRun(100, func() {
		d.Reset()
		if err := errors.Join(d.Decode(line, &e), p.Decode(&e)); err != nil {
			t.Fatal(err)
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations an event, want none", allocations)
	}
}
