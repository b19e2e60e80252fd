package day_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"gakushoku/internal/canteen/day"
	"gakushoku/internal/event"
)

func TestABusinessDayIsADayInTokyo(t *testing.T) {
	t.Parallel()
	tokyo := time.FixedZone("Asia/Tokyo", 9*60*60)
	rapid.Check(t, func(t *rapid.T) {
		at := event.InstantOfMilli(rapid.OneOf(
			rapid.Int64Range(-62167219200000, 253402300799999),
			rapid.Map(rapid.Int64Range(0, 2932896), func(n int64) int64 { return n*86_400_000 - 9*3_600_000 - n%2 }), // midnight in Tokyo, and just before
		).Draw(t, "instant"))
		if got, want := day.Of(at), at.Time().In(tokyo).Format("2006-01-02"); got != want {
			t.Fatalf("%s: %s, want %s", at, got, want)
		}
	})
}

func TestTheBusinessDayIsTokyos(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]string{
		"2026-01-23T14:59:59.999Z": "2026-01-23",
		"2026-01-23T15:00:00.000Z": "2026-01-24",
		"2025-12-31T15:00:00.000Z": "2026-01-01",
	} {
		i, err := event.ParseInstant(at)
		if err != nil {
			t.Fatal(err)
		}
		if got := day.Of(i); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
	for _, bad := range []string{"", "2026-1-1", "2026-02-30", "today"} {
		if day.Check(bad) == nil {
			t.Errorf("%q passes for a day", bad)
		}
	}
}
