package event_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gakushoku/internal/event"
)

// tree writes an object that nests, spelled in any way. twice is how many objects, counted from the
// outside in, it goes before one of them has a key twice; below 0 none has.
func (s speller) tree(names []string, depth, twice int) string {
	var members []string
	for _, name := range names {
		members = append(members, s.member(name, s.scalar()))
	}
	if twice == 0 {
		again := s.member(names[s.random.IntN(len(names))], s.scalar())
		at := s.random.IntN(len(members) + 1)
		members = append(members[:at:at], append([]string{again}, members[at:]...)...)
	}
	if depth > 0 {
		inner := s.tree(names, depth-1, twice-1)
		if s.random.IntN(2) == 0 {
			inner = "[1," + inner + "]"
		}
		members = append(members, s.member("inner\t", inner))
	}
	return "{" + strings.Join(members, ",") + "}"
}

func (s speller) scalar() string {
	return []string{"1", "-0.5e3", "null", "true", `"x"`, "[]", "{}", `{"a":{"a":1}}`}[s.random.IntN(8)]
}

// Mutation caught: a check of the outermost object only, of names as they are spelled, or of the
// first few names.
func TestAKeyThatComesTwiceIsRefusedWhereverItIs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-zé食 ]{0,4}`), 1, 40, func(s string) string { return s }).Draw(t, "names")
		depth := rapid.IntRange(0, 4).Draw(t, "depth")
		seed := rapid.Uint64().Draw(t, "spelling")
		good := speller{rand.New(rand.NewPCG(seed, 0))}.tree(names, depth, -1)
		if err := event.CheckJSON([]byte(good)); err != nil {
			t.Fatalf("%v\n%s", err, good)
		}
		bad := speller{rand.New(rand.NewPCG(seed, 0))}.tree(names, depth, rapid.IntRange(0, depth).Draw(t, "where"))
		if err := event.CheckJSON([]byte(bad)); err == nil || !strings.Contains(err.Error(), "comes twice") {
			t.Fatalf("%v\n%s", err, bad)
		}
	})
}

func TestALineFromOutsideMeansOneThing(t *testing.T) {
	t.Parallel()
	const head = `{"eventId":"e1","type":"OrderPlaced","occurredAt":"2026-01-24T00:00:00.000Z",`
	decoder := event.Decoder{Strict: true}
	for name, rest := range map[string]string{
		"the payload twice":                   `"payload":{"orderId":"o9","total":1},"payload":{"orderId":"o1","total":780}}`,
		"the type twice, once escaped":        `"t\u0079pe":"OrderPaid","payload":{"orderId":"o1","total":780}}`,
		"a field of the payload twice":        `"payload":{"orderId":"o1","total":1,"total":780}}`,
		"the order's id twice":                `"payload":{"orderId":"o1","total":1,"orderId":"o2"}}`,
		"the order's id twice, once null":     `"payload":{"orderId":null,"total":1,"orderId":"o2"}}`,
		"a field of a line twice":             `"payload":{"orderId":"o1","lines":[{"product":"x","quantity":1,"unitPrice":1,"unitPrice":2}],"total":1}}`,
		"a field in another case":             `"payload":{"orderId":"o1","total":1},"Stream":"order-o1"}`,
		"a field in two cases":                `"EventId":"e2","payload":{"orderId":"o1","total":1}}`,
		"a field of the payload in two cases": `"payload":{"orderId":"o1","total":1,"Total":5}}`,
		"a field of the payload in capitals":  `"payload":{"orderId":"o1","total":1,"LINES":[]}}`,
		"a field with a folded letter":        `"payload":{"orderId":"o1","total":1,"line\u017f":[]}}`,
		"a field of a line in another case":   `"payload":{"orderId":"o1","lines":[{"product":"x","quantity":1,"unitPrice":1,"Quantity":2}],"total":1}}`,
		"the id in two cases, escaped":        `"payload":{"orderId":"o1","total":1,"\u004frderId":"o2"}}`,
		"an unknown field twice":              `"payload":{"orderId":"o1","total":1},"x":1,"y":2,"x":3}`,
		"an unknown field within one":         `"payload":{"orderId":"o1","total":1},"x":[{"a":1,"a":1}]}`,
		"the first half of a character":       `"payload":{"orderId":"a\ud800","total":1}}`,
		"the second half of a character":      `"payload":{"orderId":"a\udfff","total":1}}`,
		"two first halves":                    `"payload":{"orderId":"a\ud800\ud800","total":1}}`,
		"half a character in a key":           `"payload":{"orderId":"o1","total":1,"\udc00":1}}`,
		"half a character, then another text": `"payload":{"orderId":"a\ud83cx\udf59","total":1}}`,
		"a surrogate in UTF-8":                "\"payload\":{\"orderId\":\"a\xed\xa0\x80\",\"total\":1}}",
		"an hour of one digit":                `"occurred\u0041t":"2026-01-24T0:00:00Z","payload":{"orderId":"o1","total":1}}`,
	} {
		t.Run(name, func(t *testing.T) {
			var e event.Event
			if err := event.DecodeStrict([]byte(head+rest), &e); err == nil {
				t.Error("DecodeStrict takes it")
			}
			if err := decoder.Decode([]byte(head+rest), &e); err == nil {
				t.Error("a strict Decoder takes it")
			}
		})
	}
	var e event.Event
	err := event.DecodeStrict([]byte(head+`"payload":{"orderId":"o1","Total":1}}`), &e)
	if want := `the key "Total" is "total" in another case: write it like that, or leave it out`; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%v\nwant %s", err, want)
	}
	good := head + `"payload":{"orderId":"\ud83c\udf59\ufffd","total":1,"x":[{"a":1},{"a":1},{"Product":1,"Total":1,"A":1,"a":1}],"totals":1},"Payloads":1}`
	if err := decoder.Decode([]byte(good), &e); err != nil || e.Stream != "order-🍙\ufffd" {
		t.Errorf("%v, stream %q", err, e.Stream)
	}
}

func TestTimesFromOutsideAreRFC3339(t *testing.T) {
	t.Parallel()
	for at, good := range map[string]bool{
		"2026-01-24T00:00:00Z": true, "2026-01-24T00:00:00.123+23:59": true, "2026-01-24T00:00:00.1-00:00": true, "2026-01-24T00:00:00.123456789123Z": true,
		"2026-01-24T0:00:00Z": false, "2026-01-24T00:00:00,123Z": false, "2026-01-24T00:00:00+24:00": false, "2026-01-24T00:00:00+09:60": false,
		"2026-01-24t00:00:00Z": false, "2026-01-24T00:00:00z": false, "2016-12-31T23:59:60Z": false, "2026-01-24 00:00:00Z": false,
		"2026-01-24T00:00:00.Z": false, "2026-01-24T00:00:00": false, "2026-01-24T00:00Z": false, "2026-01-24T00:00:00+0900": false, "2026-01-24T24:00:00Z": false,
	} {
		_, err := event.ParseInstant(at)
		var e event.Event
		paid := event.DecodeStrict(fmt.Appendf(nil, `{"eventId":"e1","type":"OrderPaid","occurredAt":"2026-01-24T00:00:00Z","payload":{"orderId":"o1","paidAt":%q}}`, at), &e)
		if (err == nil) != good || (paid == nil) != good {
			t.Errorf("%s: parsed: %v, as the time of a payment: %v", at, err, paid)
		}
	}
}

func TestIdsThatLookAlikeAreRefused(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]string{
		"a folder": ".", "the folder above": "..", "nothing": "", "a decomposed é": "cafe\u0301", "a decomposed が": "か\u3099",
		"the sign for ångström": "\u212b", "a compatibility ideograph": "\uf900", "a zero-width space": "a\u200bb", "a joiner": "a\u200db", "right to left": "a\u202eb",
		"an isolate": "a\u2066b", "a soft hyphen": "a\u00adb", "a variation selector": "a\ufe0f", "a Hangul filler": "a\u3164", "a grapheme joiner": "a\u034fb",
		"a byte order mark": "\ufeffa", "a line separator": "a\u2028b", "an empty Braille cell": "a\u2800", "a control of Latin 1": "a\u0085b", "not UTF-8": "a\xff",
		"an unassigned character": "a\u0378", "a tag": "a\U000e0041",
	} {
		if err := event.CheckStreamID(id); err == nil {
			t.Errorf("%s (%+q) passes", name, id)
		}
	}
	for _, id := range []string{"o1", "...", ".a", "café", "学食-12", "が", "%2e", "a?b#c;d", "🍙", "٣", "q\u0308"} {
		if err := event.CheckStreamID(id); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestImportedValuesKeepToTheBoundsOfOrders(t *testing.T) {
	t.Parallel()
	many := strings.Repeat(`{"product":"x","quantity":1,"unitPrice":1},`, 51)
	for name, tc := range map[string]struct{ kind, at, payload, want string }{
		"a total beyond 64 bits' half": {"OrderPlaced", "", `{"orderId":"o1","total":9223372036854775807}`, "payload.total must be 1 to 1000000 yen, not 9223372036854775807"},
		"a negative total":             {"OrderPlaced", "", `{"orderId":"o1","total":-780}`, "payload.total must be"},
		"no portion":                   {"OrderPlaced", "", `{"orderId":"o1","total":1,"lines":[{"product":"x","quantity":0,"unitPrice":1}]}`, "line 1: quantity must be 1 to 1000, not 0"},
		"a price below nothing":        {"OrderPlaced", "", `{"orderId":"o1","total":1,"lines":[{"product":"x","quantity":1,"unitPrice":-1}]}`, "line 1: unitPrice must be"},
		"a product's name too long":    {"OrderPlaced", "", `{"orderId":"o1","total":1,"lines":[{"product":"` + strings.Repeat("x", 201) + `","quantity":1,"unitPrice":1}]}`, "product has 201 bytes"},
		"too many lines":               {"OrderPlaced", "", `{"orderId":"o1","total":1,"lines":[` + many[:len(many)-1] + `]}`, "payload.lines are 51"},
		"a total beside its lines":     {"OrderPlaced", "", `{"orderId":"o1","total":1,"lines":[{"product":"x","quantity":5,"unitPrice":780}]}`, "payload.total is 1 yen but the lines add up to 3900"},
		"a refund of too much":         {"OrderRefunded", "", `{"orderId":"o1","amount":1000001,"paymentMethod":"CARD"}`, "payload.amount must be"},
		"a reason with a control":      {"OrderCancelled", "", `{"orderId":"o1","reason":"a\u001bb"}`, `payload.reason contains the control character '\x1b'`},
		"the last day there is":        {"OrderReady", "9999-12-31T15:00:00Z", `{"orderId":"o1"}`, "occurredAt 9999-12-31T15:00:00.000Z is after 9999-12-31T09:59:59.999Z"},
		"a payment on the last day":    {"OrderPaid", "", `{"orderId":"o1","paidAt":"9999-12-31T23:00:00Z"}`, "payload.paidAt 9999-12-31T23:00:00.000Z is after"},
	} {
		e := event.Event{ID: "e1", Type: tc.kind, Schema: 1, Stream: "order-o1", OccurredAt: event.InstantOfMilli(0), Payload: []byte(tc.payload)}
		if tc.at != "" {
			e.OccurredAt, _ = event.ParseInstant(tc.at)
		}
		if err := event.Check(&e); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v\nwant %s", name, err, tc.want)
		}
	}
}
