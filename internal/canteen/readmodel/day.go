package readmodel

import (
	"bytes"
	"fmt"
	"time"

	"gakushoku/internal/event"
)

// tokyo is the canteen's offset from UTC in milliseconds. Japan has no daylight saving time, so no time
// zone database is needed.
const tokyo = event.Instant(9 * 60 * 60 * 1000)

const dayLayout = "2006-01-02"

// lastInstant is the last instant on a day that lists and totals can be queried for.
var lastInstant = event.InstantOf(time.Date(9999, 12, 31, 23, 59, 59, 999_000_000, time.UTC)) - tokyo

// checkInstant refuses an instant on a day that cannot be queried. Older versions stored such instants.
func checkInstant(at event.Instant) error {
	if at > lastInstant {
		return fmt.Errorf("%s is in the year 10000 in Tokyo", at)
	}
	return nil
}

// BusinessDay returns the day in Tokyo at an instant, such as 2026-01-24.
func BusinessDay(i event.Instant) string {
	var local [32]byte
	day, _, _ := bytes.Cut((i + tokyo).Append(local[:0]), []byte("T"))
	return string(day)
}

// CheckDay refuses a string unless it is a calendar day in the form of BusinessDay.
func CheckDay(day string) error {
	if _, err := time.Parse(dayLayout, day); err != nil {
		return fmt.Errorf("%q is not a day such as 2026-01-24", day)
	}
	return nil
}
