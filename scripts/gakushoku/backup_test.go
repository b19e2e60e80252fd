package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gakushoku/internal/engine/backup"
)

// backedUp is a data folder with the seed, and a place with a backup of it.
func backedUp(t *testing.T) (dir, place string) {
	t.Helper()
	dir, place = seeded(t), filepath.Join(t.TempDir(), "place")
	ok(t, "backup", "create", "--to", place, "--data", dir)
	return dir, place
}

func TestBackupsAreMadeListedAndVerified(t *testing.T) {
	t.Parallel()
	dir, place := backedUp(t)
	var second backup.Catalogue
	if err := json.Unmarshal([]byte(ok(t, "backup", "create", "--to", place, "--data", dir, "--json")), &second); err != nil {
		t.Fatal(err)
	}
	if second.Copied.Objects != 0 || second.Head.Number == 0 {
		t.Errorf("the second backup: %+v", second)
	}
	contains(t, ok(t, "backup", "list", "--from", place), second.ID)
	contains(t, ok(t, "backup", "show", "--from", place), second.Head.Chain)
	contains(t, ok(t, "backup", "verify", "--from", place, "--deep"), "The backup is sound.")
	contains(t, ok(t, "backup", "prune", "--to", place, "--keep", "1d"), "2 backups left")
	removeFiles(t, filepath.Join(place, "segments", "*", "*"))
	call(t, "backup", "verify", "--from", place).wants(t, exitFailed, "is missing", "the backup is not sound")
	ok(t, "backup", "create", "--to", place, "--data", dir)
	contains(t, ok(t, "backup", "verify", "--from", place, "--deep", second.ID), "The backup is sound.")
}

func TestBackupsRefuseWhatIsNoPlace(t *testing.T) {
	t.Parallel()
	dir := seeded(t)
	nowhere := filepath.Join(t.TempDir(), "a", "b")
	call(t, "backup", "create", "--to", "https://x", "--data", dir).wants(t, exitUsage, "a place is DIR or s3://BUCKET/PREFIX")
	call(t, "backup", "create", "--to", dir, "--data", dir).wants(t, exitFailed, "is a data folder")
	call(t, "backup", "create", "--to", nowhere, "--data", dir).wants(t, exitFailed, "mount the disk")
	call(t, "backup", "list", "--from", nowhere).wants(t, exitUsage, "there is no such folder")
	empty := t.TempDir()
	call(t, "backup", "verify", "--from", empty).wants(t, exitUnknown, "there is no such backup")
	contains(t, ok(t, "backup", "list", "--from", empty), "There are no backups.")
	call(t, "backup", "prune", "--to", empty, "--keep", "-3d").wants(t, exitUsage, "no time span")
	if entries, err := os.ReadDir(empty); err != nil || len(entries) > 1 { // .tmp
		t.Errorf("%v %v", entries, err)
	}
}

func TestTheFilesOfABackupAreForTheUserAlone(t *testing.T) {
	t.Parallel()
	_, place := backedUp(t)
	err := filepath.WalkDir(place, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %s", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A server that is told where backups go makes one at once, if there is none, rehearses a restore, and says so.
func TestAServerMakesBackupsByItself(t *testing.T) {
	t.Parallel()
	skipWhenShort(t)
	dir, place := seeded(t), filepath.Join(t.TempDir(), "place")
	server := start(t, serving(dir, "--backup-to", place)...)
	url, _ := server.addresses(t)
	deadline := time.Now().Add(2 * time.Minute)
	for call(t, "backup", "schedule", "--data", dir).code != exitDone {
		if time.Now().After(deadline) {
			t.Fatalf("there is no backup yet: %s", server.err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	response, err := http.Get(url + "/health")
	if err != nil {
		t.Fatal(err)
	}
	health, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	contains(t, string(health), `"backup"`, `"restore"`, "up to event 2")
	server.stop()
	if code := <-server.ended; code != exitDone {
		t.Errorf("exit %d: %s", code, server.err)
	}
	contains(t, ok(t, "backup", "verify", "--from", place, "--deep"), "The backup is sound.")
	contains(t, server.err.String(), "backup:done", "restore:done")
	contains(t, ok(t, "backup", "drill", "--from", place), "is restored and verified in")
	call(t, "serve", "--backup-to", "https://x", "--data", dir).wants(t, exitUsage, "--backup-to", "a place is DIR")
	call(t, "serve", "--backup-to", place, "--backup-at", "25:00", "--data", dir).wants(t, exitUsage, "--backup-at", "no schedule")
}
