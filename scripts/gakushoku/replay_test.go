package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestReplayShowsAPastMoment(t *testing.T) {
	t.Parallel()
	dir := projected(t)
	then := ok(t, "events", "replay", "--until", "2026-01-24T00:00:00Z", "--out", "-", "-d", dir)
	if strings.Count(then, "\n") != 2 || strings.Contains(then, "PAID") {
		t.Errorf("the rows of that moment:\n%s", then)
	}
	file := filepath.Join(t.TempDir(), "rows.jsonl")
	contains(t, ok(t, "events", "replay", "--until", "0s", "--out", file, "-d", dir), "2 rows of 4 events in "+file)
	contains(t, read(t, file), `"status":"PAID"`)

	into := filepath.Join(t.TempDir(), "past")
	contains(t, ok(t, "events", "replay", "--until", "2026-01-24T00:00:00.500Z", "--into", into, "-d", dir), "2 events and 2 rows in "+into)
	contains(t, ok(t, "explain", "orders", "o1", "-d", into), `"status":"ORDERED"`, "It is what the events say.")
	call(t, "events", "replay", "--until", "1h", "--into", into, "-d", dir).wants(t, exitUsage, "the folder is not empty")
	contains(t, ok(t, "explain", "orders", "o1", "-d", dir), `"status":"PAID"`)
}

func TestReplayRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	for name, args := range map[string][]string{
		"no moment":  {"--out", "-"},
		"no place":   {"--until", "1h"},
		"two places": {"--until", "1h", "--out", "-", "--into", "x"},
		"two stores": {"--until", "1h", "--out", "-", "--aws", "canteen"},
	} {
		if got := call(t, append([]string{"events", "replay", "-d", dir}, args...)...); got.code != exitUsage {
			t.Errorf("%s: exit %d: %s", name, got.code, got.err)
		}
	}
	call(t, "events", "replay", "--until", "2000-01-01T00:00:00Z", "--out", "-", "-d", dir).wants(t, exitDone, "no event up to 2000-01-01T00:00:00.000Z")
	call(t, "events", "replay", "--until", "1h", "--out", filepath.Join(dir, "missing", "x"), "-d", dir).wants(t, exitFailed, "no such file")
}

func TestARebuildThatIsGoingOnIsNotAbandoned(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	contains(t, ok(t, "projection", "abandon", "orders", "-d", dir), "no run of orders is going on, and none was cut off")
	run := start(t, "projection", "rebuild", "orders", "--approve", "-d", dir)
	run.eventually(t, run.err, "reproject:approve")
	call(t, "projection", "abandon", "orders", "-d", dir).wants(t, exitFailed, "another rebuild of orders is going on")
	run.stop()
	<-run.ended
}
