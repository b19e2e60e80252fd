package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/engine/logcheck"
)

// archived is a data folder whose two events are in the log.
func archived(t *testing.T) string {
	t.Helper()
	dir := seeded(t)
	contains(t, ok(t, "archive", "verify", "-d", dir), "2 events in 1 segment", "The log is sound.")
	return dir
}

// the finds the one file that a pattern names in a data folder.
func the(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	return found[0]
}

func remove(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// decoded is what a command has printed as JSON, whatever it thought of it.
func decoded[T any](t *testing.T, got outcome) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(got.out), &v); err != nil {
		t.Fatalf("%v in\n%s%s", err, got.out, got.err)
	}
	return v
}

func TestArchiveStatusShowsWaitingEvents(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	contains(t, ok(t, "archive", "status", "-d", dir), "0 events in 0 segments\n", "2 events wait to be archived")
	contains(t, ok(t, "archive", "stats", "-d", dir), "The log is empty.")
	ok(t, "archive", "verify", "-d", dir)
	contains(t, ok(t, "archive", "status", "-d", dir), "2 events in 1 segment, the last one committed at 20", "Nothing waits")
	status := decoded[logcheck.Status](t, call(t, "archive", "status", "-d", dir, "--json"))
	if status.Head.Number != 2 || status.Head.Segments != 1 || status.Waiting == nil || *status.Waiting != 0 {
		t.Errorf("%+v", status)
	}
}

func TestArchiveStatsAddUp(t *testing.T) {
	t.Parallel()
	dir := archived(t)
	quick := ok(t, "archive", "stats", "-d", dir)
	contains(t, quick, "events     2\n", "segments   1, the largest of 2 events", "happened   2026-01-24T00:00:00.000Z to 2026-01-24T00:00:01.000Z\n")
	if strings.Contains(quick, "repeats") {
		t.Error(quick)
	}
	contains(t, ok(t, "archive", "stats", "-d", dir, "--repeats"), "streams    1\n", "repeats    0\n")
	stats := decoded[logcheck.Stats](t, call(t, "archive", "stats", "-d", dir, "--repeats", "--json"))
	if stats.Events != 2 || stats.Repeats == nil || *stats.Repeats != 0 || stats.Ratio == 0 {
		t.Errorf("%+v", stats)
	}
}

func TestArchiveVerifyFindsAndFixes(t *testing.T) {
	t.Parallel()
	dir := archived(t)
	deep := ok(t, "archive", "verify", "--deep", "-d", dir)
	contains(t, deep, "2 events of 1 stream compared; the log has 0 repeats", "The log is sound.")
	manifest := the(t, dir, "log/manifests/*.json")
	remove(t, manifest)
	call(t, "archive", "verify", "-d", dir).wants(t, exitFailed, "1 problem: 1 manifestMissing", "segment 1, manifests/00000000000000000001.json", "1 problem can be fixed: gakushoku archive verify --deep --fix", "the log is not sound")
	call(t, "archive", "verify", "--fix", "-d", dir).wants(t, exitDone, "manifestMissing, fixed", "1 problem fixed: the log is sound now.")
	contains(t, read(t, manifest), `"sha256"`)
	ok(t, "archive", "verify", "--deep", "-d", dir)

	segment := the(t, dir, "log/segments/*/*.zst")
	data := read(t, segment)
	if err := os.WriteFile(segment, []byte(data[:len(data)-1]+"\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	ok(t, "archive", "verify", "-d", dir) // of the right size, so only a deep look can tell
	call(t, "archive", "verify", "--deep", "-d", dir).wants(t, exitFailed, "objectDamaged", "archive verify --deep --fix makes them again")
	got := call(t, "archive", "verify", "--deep", "--fix", "--json", "-d", dir)
	report := decoded[logcheck.Report](t, got)
	if got.code != exitDone || !report.Sound || report.Fixed[logcheck.ObjectDamaged] != 1 || report.Appended != 0 {
		t.Errorf("exit %d: %+v", got.code, report)
	}
	if read(t, segment) != data {
		t.Error("the object is not what it was")
	}
	remove(t, segment)
	call(t, "archive", "verify", "-d", dir).wants(t, exitFailed, "1 objectMissing", "archive verify --deep --fix makes them again")
	call(t, "archive", "verify", "--fix", "-d", dir).wants(t, exitDone, "objectMissing, fixed")
	ok(t, "archive", "verify", "--deep", "-d", dir)
}

func TestLostControlRecordsComeBack(t *testing.T) {
	t.Parallel()
	dir := archived(t)
	ledgers, err := filepath.Glob(filepath.Join(dir, "log.db*"))
	if err != nil {
		t.Fatal(err)
	}
	remove(t, ledgers...)
	call(t, "archive", "verify", "-d", dir).wants(t, exitFailed, "1 manifestExtra", "Control records were lost: gakushoku archive restore-manifests")
	ok(t, "events", "import", put(t, "more.jsonl", strings.NewReplacer(`"o1"`, `"o2"`, `"e1"`, `"e3"`, `"e2"`, `"e4"`).Replace(seed)), "-d", dir)
	call(t, "archive", "verify", "--deep", "--fix", "-d", dir).wants(t, exitFailed, "1 manifestExtra", "was not appended")
	call(t, "archive", "sweep", "-d", dir).wants(t, exitUnknown, "could not tell", "the ledger is empty")
	contains(t, ok(t, "archive", "restore-manifests", "-d", dir), "1 manifest read: the log went from 0 events in 0 segments to 2 events in 1 segment")
	restored := decoded[logcheck.Restored](t, call(t, "archive", "restore-manifests", "--json", "-d", dir))
	if !restored.Sound || restored.Before != restored.After {
		t.Errorf("%+v", restored)
	}
	contains(t, ok(t, "archive", "verify", "--deep", "-d", dir), "4 events in 2 segments", "4 events of 2 streams compared", "The log is sound.")
	if err := os.WriteFile(the(t, dir, "log/manifests/00000000000000000001.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	call(t, "archive", "restore-manifests", "-d", dir).wants(t, exitFailed, "1 badManifest", "is not sound")
}

func TestSweepRemovesWhatNeverBecamePartOfTheLog(t *testing.T) {
	t.Parallel()
	dir := archived(t)
	orphan := filepath.Join(filepath.Dir(the(t, dir, "log/segments/*/*.zst")), "01ORPHAN.jsonl.zst")
	if err := os.WriteFile(orphan, []byte("orphan"), 0o600); err != nil {
		t.Fatal(err)
	}
	contains(t, ok(t, "archive", "sweep", "-d", dir), "0 objects, 0 bytes, removed; 1 younger ones stay")
	old := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(orphan, old, old); err != nil {
		t.Fatal(err)
	}
	contains(t, ok(t, "archive", "verify", "-d", dir), "1 object of no segment, 6 bytes: gakushoku archive sweep", "The log is sound.")
	contains(t, ok(t, "archive", "sweep", "--dry-run", "-d", dir), "01ORPHAN.jsonl.zst\n1 object, 6 bytes, to be removed\n")
	swept := decoded[logcheck.Swept](t, call(t, "archive", "sweep", "--older-than", "20h", "--json", "-d", dir))
	if swept.Objects != 1 || swept.Bytes != 6 || swept.DryRun {
		t.Errorf("%+v", swept)
	}
	if _, err := os.Stat(orphan); !os.IsNotExist(err) {
		t.Errorf("the orphan is still there: %v", err)
	}
	ok(t, "archive", "verify", "--deep", "-d", dir)
	call(t, "archive", "sweep", "--older-than", "1m", "-d", dir).wants(t, exitUsage, "--older-than", "Try: gakushoku archive sweep --help")
}

func TestEventsVerifyJudgesTheStoreAndTheLog(t *testing.T) {
	t.Parallel()
	dir := archived(t)
	contains(t, ok(t, "events", "verify", "-d", dir), "2 events of 1 stream looked at", "The events are sound.")
	contains(t, ok(t, "events", "verify", "--deep", "-d", dir), "The log is sound.", "The events are sound.")
	// Two events of one id, which no import takes.
	twice := strings.ReplaceAll(strings.ReplaceAll(seed, `"o1"`, `"o2"`), `"e2"`, `"e3"`)
	call(t, "events", "import", put(t, "twice.jsonl", twice), "-d", dir).wants(t, exitFailed, `twice.jsonl:1: eventId "e1" is version 1 of order-o1 in the event store`)
	ok(t, "events", "import", put(t, "other.jsonl", strings.ReplaceAll(twice, `"e1"`, `"e0"`)), "-d", dir)
	db, err := sql.Open("sqlite", filepath.Join(dir, "events.db"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), `UPDATE events SET envelope = replace(envelope, '"e0"', '"e1"')`)
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	call(t, "events", "verify", "-d", dir).wants(t, exitFailed, "1 problem: 1 idRepeated", "order-o2 version 1", "e1", "version 1 of order-o1 has the same id", "the event store is not sound")
	got := call(t, "events", "verify", "--deep", "--json", "-d", dir)
	report := decoded[logcheck.EventsReport](t, got)
	// Of a store that is not sound nothing is put into the log.
	if got.code != exitFailed || report.Sound || report.Log == nil || report.Log.Counts[logcheck.EventMissing] != 2 || report.Counts[logcheck.IDRepeated] != 1 {
		t.Errorf("exit %d: %+v", got.code, report)
	}
	dir = archived(t)
	remove(t, the(t, dir, "log/segments/*/*.zst"))
	call(t, "events", "verify", "--deep", "-d", dir).wants(t, exitFailed, "1 objectMissing", "Each event is sound by itself", "the log is not sound")
}

func TestUndecidedVerdictExitsWith2(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing")
	broken := seeded(t)
	if err := os.WriteFile(filepath.Join(broken, "log.db"), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"archive status", "archive stats", "archive verify", "archive restore-manifests", "archive sweep", "events verify --deep"} {
		call(t, append(strings.Fields(command), "-d", missing)...).wants(t, exitUnknown, "could not tell: there is no data folder")
		call(t, append(strings.Fields(command), "-d", broken)...).wants(t, exitUnknown, "could not tell", "log.db")
		command = strings.TrimSuffix(command, " --deep")
		help := call(t, append(strings.Fields(command), "--help")...)
		help.out = strings.Join(strings.Fields(help.out), " ")
		help.wants(t, exitDone, "Example", "Exit code: 0", "Usage: gakushoku "+command)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("a command that only reads has made a folder")
	}
}
