package event_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/event"
)

func TestEveryByteAtEveryPlaceOfATextIsWrittenAsTheStandardLibraryWouldReadIt(t *testing.T) {
	t.Parallel()
	for before := range 17 {
		for c := range 256 {
			for _, after := range []string{"", "z", "食べる", "123456789"} {
				text := strings.Repeat("a", before) + string([]byte{byte(c)}) + after
				standard, err := json.Marshal(text)
				if err != nil {
					t.Fatal(err)
				}
				var want, got string
				if err := json.Unmarshal(standard, &want); err != nil {
					t.Fatal(err)
				}
				written := event.AppendString(nil, text)
				if err := json.Unmarshal(written, &got); err != nil || got != want || !utf8.Valid(written) {
					t.Fatalf("%q is written %q and read back as %q, %v; want %q", text, written, got, err, want)
				}
			}
		}
	}
}

func TestAPayloadKeepsItsTextsReadable(t *testing.T) {
	t.Parallel()
	e, err := event.New(order.Cancelled{OrderID: "o1", Reason: "<sold> & out"})
	if err != nil || !strings.Contains(string(e.Payload), `"<sold> & out"`) {
		t.Errorf("got %s, %v", e.Payload, err)
	}
}

func TestAnInstantInJSONIsReadAndRefused(t *testing.T) {
	t.Parallel()
	var row struct{ At event.Instant }
	if err := json.Unmarshal([]byte(`{"At":"2026-01-24T00:00:00.123Z"}`), &row); err != nil || !row.At.Time().Equal(time.UnixMilli(1_769_212_800_123)) {
		t.Errorf("got %s, %v", row.At, err)
	}
	before := row.At
	if err := json.Unmarshal([]byte(`{"At":"yesterday"}`), &row); err == nil || row.At != before {
		t.Errorf("got %s, %v", row.At, err)
	}
	if text, err := json.Marshal(row); err != nil || string(text) != `{"At":"2026-01-24T00:00:00.123Z"}` {
		t.Errorf("got %s, %v", text, err)
	}
}

func TestIntegersAreReadUpToTheirBounds(t *testing.T) {
	t.Parallel()
	for _, n := range []string{"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616", "92233720368547758070", "-0", "0"} {
		for kind, payload := range map[uint8]string{0: `{"orderId":"o","total":` + n + `}`, 6: `{"orderId":"o","amount":` + n + `,"paymentMethod":"CARD"}`} {
			checkPayload(t, []byte(payload), kind, 0)
			checkPayload(t, []byte(payload), kind, 1)
		}
		checkLine(t, event.NewDecoder(), []byte(`{"eventId":"e","type":"t","occurredAt":"2026-01-24T00:00:00Z","payload":{},"stream":"s","version":`+n+`,"schema":1}`))
	}
}
