package event_test

import (
	"testing"

	"gakushoku/internal/event"
)

// changes are what becomes of a text when one place of it is changed: every byte left out, every
// byte said twice, and every byte replaced by, or preceded by, each that means something in JSON.
func changes(text string, each func(changed []byte)) {
	const means = "{}[]:,\"\\ \n\x00\x1f/019-+.eEuntfaz\x7f\x80\xff"
	for i := range len(text) {
		each([]byte(text[:i] + text[i+1:]))
		each([]byte(text[:i+1] + text[i:]))
		for _, c := range []byte(means) {
			each(append(append([]byte(text[:i]), c), text[i+1:]...))
			each(append(append([]byte(text[:i]), c), text[i:]...))
		}
	}
}

func TestALineThatIsChangedAnywhereIsWhatTheStandardLibrarySays(t *testing.T) {
	t.Parallel()
	d := event.NewDecoder()
	for _, line := range []string{
		`{"eventId":"e1","type":"OrderPlaced","occurredAt":"2026-01-24T00:00:00.000Z","correlationId":"c1","payload":{"orderId":"o1","total":780},"stream":"s","version":12,"schema":2,"actor":"é"}`,
		` {"schema":1,"payload":{"x":[1.5e-3,true,{"a":null}],"orderId":"\u98df\b"},"type":"Order","extra":-0.0E+1,"occurredAt":"2024-02-29T09:00:00+09:00","eventId":"e"} `,
	} {
		changes(line, func(changed []byte) {
			checkLine(t, d, changed)
			d.Reset()
		})
	}
}

func TestAPayloadThatIsChangedAnywhereIsWhatTheStandardLibrarySays(t *testing.T) {
	t.Parallel()
	for kind, payloads := range map[uint8][]string{
		0: {`{"orderId":"o1","total":780,"lines":[{"product":"p","quantity":1,"unitPrice":2},{"unitPrice":10,"x":{},"product":"\u0070","quantity":3}]}`},
		1: {`{"orderId":"o","paidAt":"2026-01-24T00:01:00.000Z","paymentMethod":"CASH"}`},
		6: {`{"orderId":"o","amount":9223372036854775807,"paymentMethod":"CARD","reason":null}`},
	} {
		for _, payload := range payloads {
			for schema := range uint8(2) {
				changes(payload, func(changed []byte) { checkPayload(t, changed, kind, schema) })
			}
		}
	}
}
