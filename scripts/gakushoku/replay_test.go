package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
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

// contradicted appends to the log of a folder another first event of order o1.
func contradicted(t *testing.T, dir string) {
	t.Helper()
	folder, err := embedded.OpenExistingFolder(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	e, err := event.New(order.Placed{OrderID: "o1", Total: 1})
	if err != nil {
		t.Fatal(err)
	}
	e.ID, e.Stream, e.Version, e.OccurredAt, e.CorrelationID = "forked", order.Stream("o1"), 1, 1, "c"
	head, err := folder.Log().Head(t.Context())
	if err == nil {
		_, err = folder.Archiver().Commit(t.Context(), []eventlog.Record{{Source: fmt.Sprintf("%d/forked", head.Number+1), Event: e}})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestReplayIntoNamesAndLeavesOutWhatContradicts(t *testing.T) {
	t.Parallel()
	dir := projected(t)
	ok(t, "archive", "verify", "-d", dir)
	contradicted(t, dir)
	into := filepath.Join(t.TempDir(), "new")
	got := call(t, "events", "replay", "--until", "0s", "--into", into, "-d", dir)
	got.wants(t, exitFailed, "forked", "1 event of the log contradicts")
	contains(t, got.out, "4 events and 2 rows in "+into)
	contains(t, ok(t, "events", "verify", "--deep", "-d", into), "The events are sound.")
	call(t, "projection", "verify", "orders", "-d", dir).wants(t, exitFailed, "orders is not sound")
	call(t, "projection", "list", "-d", dir).wants(t, exitFailed, "do not belong together")
	call(t, "projection", "status", "-d", dir).wants(t, exitFailed, "do not belong together")
}

func TestReplayIntoLeavesNothingOfAFolderThatCouldNotBeMade(t *testing.T) {
	t.Parallel()
	dir := projected(t)
	ok(t, "archive", "verify", "-d", dir)
	segments, err := filepath.Glob(filepath.Join(dir, "log", "segments", "*", "*"))
	if err == nil && len(segments) == 0 {
		err = os.ErrNotExist
	}
	for _, segment := range segments {
		err = errors.Join(err, os.Remove(segment))
	}
	if err != nil {
		t.Fatal(err)
	}
	into := filepath.Join(t.TempDir(), "new")
	call(t, "events", "replay", "--until", "0s", "--into", into, "-d", dir).wants(t, exitFailed, "making "+into)
	if _, err := os.Stat(into); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
	call(t, "archive", "status", "-d", dir).wants(t, exitFailed, "the objects of 1 segment are missing")
	call(t, "archive", "stats", "-d", dir).wants(t, exitFailed, "the objects of 1 segment are missing")
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
