package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/subject"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
)

// eraseSubject erases a subject of whom nothing is recorded.
func eraseSubject(t *testing.T, dir, who string) {
	t.Helper()
	folder, err := embedded.OpenExistingFolder(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	eraser := subject.Eraser{Keys: folder.Installation.Subjects, Streams: folder.Streams, Now: time.Now, NewID: observe.NewID}
	_, _, err = eraser.Erase(t.Context(), who)
	if err = errors.Join(err, folder.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestARestoredFolderIsWholeAndGoesOn(t *testing.T) {
	t.Parallel()
	skipWhenShort(t)
	dir, place := backedUp(t)
	ok(t, "keys", "create", "kitchen", "--role", "kitchen", "--data", dir)
	eraseSubject(t, dir, "guest-1")
	ok(t, "backup", "create", "--to", place, "--data", dir)
	into := filepath.Join(t.TempDir(), "restored")
	contains(t, ok(t, "restore", "--from", place, "--into", into, "--dry-run"), "3 events", into)
	if _, err := os.Stat(into); err == nil {
		t.Error("a dry run made the folder")
	}
	contains(t, ok(t, "restore", "--from", place, "--into", into), "3 events restored and verified", "gakushoku serve --data "+into)
	contains(t, ok(t, "events", "verify", "--deep", "--data", into), "The events are sound.")
	contains(t, ok(t, "projection", "verify", "orders", "--data", into), "It is sound.")
	contains(t, ok(t, "keys", "list", "--data", into), "kitchen")
	contains(t, ok(t, "archive", "status", "--data", into), "3 events", "Nothing waits")
	if want, got := ok(t, "events", "export", "--data", dir), ok(t, "events", "export", "--data", into); want != got {
		t.Errorf("restored:\n%s\nwant:\n%s", got, want)
	}
	call(t, "restore", "--from", place, "--into", into).wants(t, exitUsage, "is not empty")
	// The next event gets the next number, and backups go on in the same place.
	server := start(t, serving(into)...)
	server.addresses(t)
	server.stop()
	if code := <-server.ended; code != exitDone {
		t.Fatalf("exit %d: %s", code, server.err)
	}
	eraseSubject(t, into, "guest-2")
	contains(t, ok(t, "backup", "create", "--to", place, "--data", into), "4 events")
	contains(t, ok(t, "archive", "verify", "--deep", "--data", into), "The log is sound.")
}

func TestAPointIsInclusiveInEveryTimeZone(t *testing.T) {
	t.Parallel()
	skipWhenShort(t)
	_, place := backedUp(t)
	for _, point := range [][]string{{"--event-number", "1"}, {"--until", "2026-01-24T00:00:00.999Z"}, {"--until", "2026-01-24T09:00:00+09:00"}, {"--until", "2026-01-24T00:00:00Z"}} {
		into := filepath.Join(t.TempDir(), "restored")
		var report embedded.RestoreReport
		if err := json.Unmarshal([]byte(ok(t, append([]string{"restore", "--from", place, "--into", into, "--json"}, point...)...)), &report); err != nil {
			t.Fatal(err)
		}
		if report.Events != 1 || report.Rows["orders"] != 1 || !report.Checked.Sound {
			t.Errorf("%v: %+v", point, report)
		}
	}
}

func TestPointsOutsideOfTheBackupAreRefused(t *testing.T) {
	t.Parallel()
	_, place := backedUp(t)
	into := filepath.Join(t.TempDir(), "restored")
	for want, point := range map[string][]string{
		"there is no event 3":    {"--event-number", "3"},
		"is in the future":       {"--until", "2100-01-01T00:00:00Z"},
		"before the first event": {"--until", "2026-01-23T23:59:59.999Z"},
		"there is no such":       {"--backup", "20260101T000000.000Z-1"},
	} {
		call(t, append([]string{"restore", "--from", place, "--into", into}, point...)...).wants(t, exitUsage, want)
	}
	if _, err := os.Stat(into); err == nil {
		t.Error("a refused restore made the folder")
	}
}

// A folder that a restore has not finished is opened by nothing, until it is restored anew.
func TestAnUnfinishedRestoreIsNotServedAndStartsAnew(t *testing.T) {
	t.Parallel()
	skipWhenShort(t)
	_, place := backedUp(t)
	into := filepath.Join(t.TempDir(), "restored")
	removeFiles(t, filepath.Join(place, "segments", "*", "*"))
	call(t, "restore", "--from", place, "--into", into).wants(t, exitFailed, "left unfinished")
	for _, command := range [][]string{{"events", "verify"}, {"serve", "--addr", "127.0.0.1:0"}, {"events", "export"}} {
		call(t, append(command, "--data", into)...).wants(t, exitUnknown, "a restore into this folder has not finished")
	}
	dir, place := backedUp(t)
	ok(t, "restore", "--from", place, "--into", into)
	if want, got := ok(t, "events", "export", "--data", dir), ok(t, "events", "export", "--data", into); want != got {
		t.Errorf("restored:\n%s\nwant:\n%s", got, want)
	}
}

// The key of a command is on its events.
func TestACommandThatWasExecutedIsKnownAfterARestore(t *testing.T) {
	t.Parallel()
	skipWhenShort(t)
	dir := filepath.Join(t.TempDir(), "data")
	folder, err := embedded.OpenFolder(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	e := event.Event{ID: "e1", Type: "OrderPlaced", OccurredAt: event.InstantOfMilli(1769212800000), CorrelationID: "c", CommandID: "k1", CommandHash: "h", Payload: []byte(`{"orderId":"o1","total":780}`), Schema: 1}
	var store eventstore.Appender = folder.Events
	if err := store.Append(t.Context(), "order-o1", 0, []event.Event{e}); err != nil {
		t.Fatal(err)
	}
	if err := folder.Close(); err != nil {
		t.Fatal(err)
	}
	place, into := filepath.Join(t.TempDir(), "place"), filepath.Join(t.TempDir(), "restored")
	ok(t, "backup", "create", "--to", place, "--data", dir)
	ok(t, "restore", "--from", place, "--into", into)
	contains(t, ok(t, "events", "export", "--data", into), `"commandId":"k1"`, `"commandHash":"h"`)
}
