package readmodel

import (
	"fmt"
	"time"

	"gakushoku/internal/event"
)

// tokyo is the canteen's clock. Japan has no summer time, so the offset is all there is to
// know and no time zone database is needed.
var tokyo = time.FixedZone("Asia/Tokyo", 9*60*60)

const dayLayout = "2006-01-02"

// BusinessDay is the day in Tokyo at which i falls, such as 2026-01-24.
func BusinessDay(i event.Instant) string { return i.Time().In(tokyo).Format(dayLayout) }

// CheckDay refuses what is not a calendar day in the form of BusinessDay.
func CheckDay(day string) error {
	if _, err := time.Parse(dayLayout, day); err != nil {
		return fmt.Errorf("%q is not a day such as 2026-01-24", day)
	}
	return nil
}
