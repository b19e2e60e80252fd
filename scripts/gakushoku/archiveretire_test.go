package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/retire"
	"gakushoku/internal/engine/tombstone"
	"gakushoku/internal/engine/verify"
)

// aDay is a data folder with a day of orders, nine of which are closed, and its read models.
func aDay(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	day, err := os.ReadFile("../../events/day.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	ok(t, "events", "import", put(t, "day.jsonl", string(day)), "--data", dir)
	ok(t, "projection", "rebuild", "orders", "-d", dir)
	return dir
}

// without returns lines, sorted, except tombstones.
func without(lines string) []string {
	all := slices.DeleteFunc(strings.Split(lines, "\n"), func(l string) bool { return strings.Contains(l, tombstone.Type) })
	slices.Sort(all)
	return all
}

// seen is what commands print of a folder.
func seen(t *testing.T, dir, until string) map[string]any {
	t.Helper()
	all := map[string]any{
		"export":     without(ok(t, "events", "export", "-d", dir)),
		"one stream": without(ok(t, "events", "export", "--stream", "order-d01", "-d", dir)),
		"show":       without(ok(t, "events", "show", "d01", "--json", "-d", dir)),
		"replay":     ok(t, "events", "replay", "--until", until, "--out", "-", "-d", dir),
		// The row of a retired stream has its tombstone's version.
		"trace": strings.ReplaceAll(ok(t, "trace", "day-d01-paid", "-d", dir), "its row is at version 6", "its row is at version 5"),
	}
	explained := decoded[verify.Explanation](t, call(t, "explain", "orders", "d01", "--json", "-d", dir))
	for _, v := range explained.Versions {
		if v.Row == nil {
			continue // nobody serves, so only the version of the rebuild has rows
		}
		all["fold of "+v.Table] = string(v.Fold.Data)
		all["row of "+v.Table] = string(v.Row.Data)
		all["totals of "+v.Table] = v.Row.Contributions
	}
	explained.Events = slices.DeleteFunc(explained.Events, func(e verify.ExplainedEvent) bool { return e.Type == tombstone.Type })
	all["explained"] = explained.Events
	return all
}

func TestARetiredFolderIsSeenAsBefore(t *testing.T) {
	t.Parallel()
	dir := aDay(t)
	before := seen(t, dir, "2026-01-24T11:55:00+09:00")
	contains(t, ok(t, "archive", "retire", "--older-than", "90d", "--dry-run", "-d", dir), "9 streams would be retired, with 41 events", "3 streams left: not closed")
	contains(t, ok(t, "archive", "stats", "-d", dir), "hot        48 events in 12 streams", "retired    0 events in 0 streams")
	report := decoded[retire.Report](t, call(t, "archive", "retire", "--older-than", "90d", "--batch-size", "4", "--json", "-d", dir))
	if diff := cmp.Diff(retire.Report{Streams: 9, Events: 41, Deleted: 41, Kept: retire.Kept{Open: 3}}, report); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	contains(t, ok(t, "archive", "stats", "-d", dir), "hot        16 events in 12 streams", "retired    41 events in 9 streams")
	check := func() {
		t.Helper()
		ok(t, "projection", "verify", "orders", "--fix", "-d", dir) // nobody serves: the tombstones are applied here
		for _, args := range [][]string{
			{"projection", "verify", "orders"}, {"events", "verify"}, {"archive", "verify", "--deep"}, {"audit", "verify"},
		} {
			ok(t, append(args, "-d", dir)...)
		}
		if diff := cmp.Diff(before, seen(t, dir, "2026-01-24T11:55:00+09:00")); diff != "" {
			t.Errorf("after it was retired (-before +after):\n%s", diff)
		}
	}
	check()
	contains(t, ok(t, "projection", "rebuild", "orders", "-d", dir), "12 rows")
	contains(t, ok(t, "events", "import", "../../events/day.jsonl", "-d", dir), "0 imported, 48 already there")
	contains(t, ok(t, "archive", "restore", "order-d01", "-d", dir), "of order-d01 put back")
	ok(t, "projection", "verify", "orders", "-d", dir)
	contains(t, ok(t, "archive", "verify", "--deep", "-d", dir), "0 repeats")
	call(t, "archive", "restore", "order-d01", "-d", dir).wants(t, 1, "lacks nothing")
}

func TestARetiredFolderIsMadeAgainElsewhere(t *testing.T) {
	t.Parallel()
	dir := aDay(t)
	ok(t, "archive", "retire", "--older-than", "90d", "-d", dir)
	exported := ok(t, "events", "export", "-d", dir)
	elsewhere := filepath.Join(t.TempDir(), "other")
	contains(t, ok(t, "events", "import", put(t, "all.jsonl", exported), "-d", elsewhere), "57 events of 12 streams: 57 imported")
	if diff := cmp.Diff(without(exported), without(ok(t, "events", "export", "-d", elsewhere))); diff != "" {
		t.Errorf("(-there +here):\n%s", diff)
	}
	report := decoded[retire.Report](t, call(t, "archive", "retire", "--older-than", "1d", "--json", "-d", elsewhere))
	if report.Streams != 0 || report.Kept.Young != 9 {
		t.Errorf("streams that were put back are retired at once: %+v", report)
	}
	replayed := filepath.Join(t.TempDir(), "replayed")
	ok(t, "events", "replay", "--until", "2100-01-01T00:00:00Z", "--into", replayed, "-d", dir)
	if diff := cmp.Diff(without(exported), without(ok(t, "events", "export", "-d", replayed))); diff != "" {
		t.Errorf("from the log (-there +here):\n%s", diff)
	}
}

func TestRetiringIsRefusedWhereItMakesNoSense(t *testing.T) {
	t.Parallel()
	dir := aDay(t)
	for _, args := range [][]string{{}, {"--older-than", "23h"}, {"--older-than", "soon"}, {"--older-than", "-5d"}, {"--older-than", "2d", "--batch-size", "-3"}} {
		if got := call(t, append([]string{"archive", "retire", "-d", dir}, args...)...); got.code != 2 {
			t.Errorf("%v: code %d, %s", args, got.code, got.err)
		}
	}
	var stats struct{ Store json.RawMessage }
	if err := json.Unmarshal([]byte(ok(t, "archive", "stats", "--json", "-d", dir)), &stats); err != nil || len(stats.Store) == 0 {
		t.Errorf("%s, %v", stats.Store, err)
	}
}
