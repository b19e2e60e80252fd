package main

import (
	"testing"
	"time"
)

func TestDurationsTakeDaysAndWeeks(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"7d": 7 * day, "2w": 14 * day, "1d12h": 36 * time.Hour, "1w1d": 8 * day, "0d": 0, "90m": 90 * time.Minute, "-1h": -time.Hour, "106751d": 106751 * day,
	} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%s is %s, want %s: %v", text, got, want, err)
		}
	}
	for _, text := range []string{"", "d", "7", "7x", "-7d", "1.5d", "1h7d", "1d-1h", "106752d", "999999w", "9999999999d"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q is taken for %s", text, got)
		}
	}
}

func TestOptionsTakeDays(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	contains(t, ok(t, "archive", "sweep", "--older-than", "7d", "-d", dir), "0 objects")
	call(t, "archive", "sweep", "--older-than", "7y", "-d", dir).wants(t, exitUsage, `--older-than: "7y" is not a duration, such as 500ms, 24h or 7d`)
	ok(t, "trace", "--order", "o1", "--since", "7d", "-d", dir)
}
