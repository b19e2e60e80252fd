// Package day determines the canteen's business days: calendar days in Tokyo, such as 2026-01-24.
package day

import (
	"bytes"
	"fmt"
	"time"

	"gakushoku/internal/event"
)

// tokyo is the canteen's offset from UTC in milliseconds. Japan has no daylight saving time, so no time
// zone database is needed.
const tokyo = event.Instant(9 * 60 * 60 * 1000)

// Zone returns the canteen's time zone.
func Zone() *time.Location { return time.FixedZone("Asia/Tokyo", int(tokyo/1000)) }

const layout = "2006-01-02"

// Len is the length of a day in bytes.
const Len = len(layout)

// lastInstant is the last instant on a day that lists and totals can be queried for.
var lastInstant = event.InstantOf(time.Date(9999, 12, 31, 23, 59, 59, 999_000_000, time.UTC)) - tokyo

// CheckInstant refuses an instant on a day that cannot be queried. Older versions stored such instants.
func CheckInstant(at event.Instant) error {
	if at > lastInstant {
		return fmt.Errorf("%s is in the year 10000 in Tokyo", at)
	}
	return nil
}

// Of returns the business day at an instant.
func Of(i event.Instant) string {
	var local [32]byte
	day, _, _ := bytes.Cut((i + tokyo).Append(local[:0]), []byte("T"))
	return string(day)
}

// Check refuses a string unless it is a calendar day in the form of Of.
func Check(day string) error {
	if _, err := time.Parse(layout, day); err != nil {
		return fmt.Errorf("%q is not a day such as 2026-01-24", day)
	}
	return nil
}
