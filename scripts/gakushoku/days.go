package main

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"time"

	"github.com/alecthomas/kong"
)

var wholeDays = regexp.MustCompile(`^([0-9]{1,6})([dw])(.*)$`)

// parseDuration is time.ParseDuration, which also takes leading days of 24 hours and weeks: 7d, 2w, 1d12h.
func parseDuration(text string) (time.Duration, error) {
	m := wholeDays.FindStringSubmatch(text)
	if m == nil {
		return time.ParseDuration(text)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0, err
	}
	day := 24 * time.Hour
	if m[2] == "w" {
		day *= 7
	}
	if time.Duration(n) > (1<<63-1)/day {
		return 0, fmt.Errorf("%q is longer than 292 years", text)
	}
	whole, rest := time.Duration(n)*day, time.Duration(0)
	if m[3] != "" {
		if rest, err = parseDuration(m[3]); err != nil || rest < 0 {
			return 0, fmt.Errorf("%q is not a duration", text)
		}
	}
	if whole > 1<<63-1-rest {
		return 0, fmt.Errorf("%q is longer than 292 years", text)
	}
	return whole + rest, nil
}

// durations decodes options that are durations.
var durations = kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("duration", &text); err != nil {
		return err
	}
	d, err := parseDuration(text)
	if err != nil {
		return fmt.Errorf("expected duration but got %q: %w", text, err)
	}
	target.SetInt(int64(d))
	return nil
}))

// days is an option whose value is a duration above 0.
type days time.Duration

// UnmarshalText parses a duration such as 30d or 12h.
func (d *days) UnmarshalText(text []byte) error {
	value, err := parseDuration(string(text))
	if err != nil || value <= 0 {
		return fmt.Errorf("%q is no time span, such as 30d or 12h", text)
	}
	*d = days(value)
	return nil
}
