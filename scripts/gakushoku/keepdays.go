package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// days is an option whose value is a duration, which may be given in days.
type days time.Duration

// longestDays bounds the value, far from where a duration overflows.
const longestDays = 100 * 365

// UnmarshalText parses a duration such as 30d or 12h.
func (d *days) UnmarshalText(text []byte) error {
	value, err := time.ParseDuration(string(text))
	if n, isDays := strings.CutSuffix(string(text), "d"); isDays {
		var count int
		count, err = strconv.Atoi(n)
		value = time.Duration(min(count, longestDays)) * 24 * time.Hour
	}
	if err != nil || value <= 0 {
		return fmt.Errorf("%q is no time span, such as 30d or 12h", text)
	}
	*d = days(value)
	return nil
}
