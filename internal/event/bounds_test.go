package event_test

import (
	"fmt"
	"testing"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/event"
)

func TestEveryPrefixOfALineIsRefused(t *testing.T) {
	t.Parallel()
	for i, line := range []string{
		`{"eventId":"e1","type":"OrderPlaced","occurredAt":"2026-01-24T00:00:00.000Z","correlationId":"c1","payload":{"orderId":"o1","total":-12.5e+3},"stream":"order-o1","version":12,"schema":2}`,
		`{"occurredAt":"2026-01-24T00:00:00.000Z","eventId":"\u00e9\ud83c\udf59","x":[true,false,null,[{}],0.5E-1],"type":"T","payload":{"a":"\n\\"},"schema":1}`,
	} {
		var e event.Event
		if err := event.Decode([]byte(line), &e); err != nil {
			t.Fatalf("line %d: %v", i, err)
		}
		for end := range line {
			// A copy of its own: reading beyond its end is a panic.
			prefix := append(make([]byte, 0, end), line[:end]...)
			if err := event.Decode(prefix, &e); err == nil {
				t.Errorf("%s is taken for an event", prefix)
			}
		}
	}
}

// parsed is what package time makes of a text that UnmarshalText takes.
func parsed(text string) (event.Instant, bool) {
	var want time.Time
	if want.UnmarshalText([]byte(text)) != nil {
		return 0, false
	}
	if year := want.UTC().Year(); year < 0 || year > 9999 {
		return 0, false
	}
	return event.InstantOf(want), true
}

// TestInstantsAreReadAsPackageTimeReadsThem at each bound of each field, and beyond.
func TestInstantsAreReadAsPackageTimeReadsThem(t *testing.T) {
	t.Parallel()
	var texts []string
	for _, year := range []string{"0000", "0001", "0004", "0100", "0400", "1582", "1600", "1899", "1900", "1969", "1970", "1999", "2000", "2023", "2024", "2100", "2400", "9999", "a000", "0a00", "00a0", "000a"} {
		for month := range 14 {
			for _, day := range []string{"00", "01", "28", "29", "30", "31", "32", "0a", "a0", "/1", ":1"} {
				texts = append(texts, fmt.Sprintf("%s-%02d-%sT12:34:56.789Z", year, month, day))
			}
		}
	}
	for _, clock := range []string{
		"00:00:00.000", "23:59:59.999", "24:00:00.000", "23:60:00.000", "23:59:60.000", "00:00:00.00a", "00:00:00.0a0", "00:00:00.a00", "00:00:00.00:", "00:00:00.00/",
		"a0:00:00.000", "0a:00:00.000", "00:a0:00.000", "00:0a:00.000", "00:00:a0.000", "00:00:0a.000", "00-00:00.000", "00:00-00.000", "00:00:00,000", "00:00:00:000", "09:59:59.990", "19:09:09.109",
	} {
		texts = append(texts, "2026-01-24T"+clock+"Z")
	}
	texts = append(texts,
		"2026-01-24t00:00:00.000Z", "2026-01-24 00:00:00.000Z", "2026/01-24T00:00:00.000Z", "2026-01/24T00:00:00.000Z", "2026-01-24T00:00:00.000z", "2026-01-24T00:00:00.0000",
		"2026-01-24T00:00:00.000ZZ", "2026-01-24T00:00:00.00Z", "2026-01-24T00:00:00Z", "2026-01-24T00:00:00+09:00", "0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "",
	)
	for _, text := range texts {
		want, ok := parsed(text)
		if !rfc3339.MatchString(text) {
			want, ok = 0, false
		}
		got, err := event.ParseInstant(text)
		if (err == nil) != ok || got != want {
			t.Errorf("%s: got %d, %v; package time: %d, %t", text, got, err, want, ok)
		}
	}
}

func TestCharactersThatShowNothingAreHidden(t *testing.T) {
	t.Parallel()
	for r, want := range map[rune]bool{
		0: true, 0x1f: true, ' ': false, '~': false, 0x7f: true, 0x80: true, 0x9f: true, 0xa0: false, 0xac: false, 0xad: true, 0xae: false, 0xff: false,
		0x100: false, 0x200b: true, 0x202e: true, 0x2028: true, 0x2029: true, 0xfe0f: true, 0x2800: true, 0x2801: false, 0xe0001: true, '食': false,
	} {
		if got := event.Hidden(r); got != want {
			t.Errorf("%U is hidden: %t", r, got)
		}
	}
}

func TestAnOrderOfAsManyLinesAsThereMayBeIsTaken(t *testing.T) {
	t.Parallel()
	for lines, ok := range map[int]bool{order.MaxLines: true, order.MaxLines + 1: false} {
		p := order.Placed{OrderID: "o1", Total: int64(lines)}
		for range lines {
			p.Lines = append(p.Lines, order.Line{Product: "x", Quantity: 1, UnitPrice: 1})
		}
		e, err := event.New(p)
		if err != nil {
			t.Fatal(err)
		}
		e.ID, e.OccurredAt, e.Stream, e.Version = "e1", event.InstantOfMilli(1), "order-o1", 1
		if err := event.Check(&e); (err == nil) != ok {
			t.Errorf("%d lines: %v", lines, err)
		}
	}
}
