package readmodel_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/event"
)

func TestABusinessDayIsADayInTokyo(t *testing.T) {
	t.Parallel()
	tokyo := time.FixedZone("Asia/Tokyo", 9*60*60)
	rapid.Check(t, func(t *rapid.T) {
		at := event.InstantOfMilli(rapid.OneOf(
			rapid.Int64Range(-62167219200000, 253402300799999),
			rapid.Map(rapid.Int64Range(0, 2932896), func(day int64) int64 { return day*86_400_000 - 9*3_600_000 - day%2 }), // midnight in Tokyo, and just before
		).Draw(t, "instant"))
		if got, want := readmodel.BusinessDay(at), at.Time().In(tokyo).Format("2006-01-02"); got != want {
			t.Fatalf("%s: %s, want %s", at, got, want)
		}
	})
}
