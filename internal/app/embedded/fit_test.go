package embedded

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/event"
	"gakushoku/internal/operate/health"
)

// keep copies parts of a closed folder, and returns what puts them back.
func keep(t *testing.T, dir string, parts ...string) (restore func()) {
	t.Helper()
	kept := t.TempDir()
	for _, part := range parts {
		if err := copyTree(filepath.Join(dir, part), filepath.Join(kept, part)); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		t.Helper()
		for _, part := range parts {
			err := os.RemoveAll(filepath.Join(dir, part))
			if err == nil {
				err = copyTree(filepath.Join(kept, part), filepath.Join(dir, part))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// aged is a folder of six settled orders, in which some parts know only the first three.
func aged(t *testing.T, parts ...string) *Folder {
	t.Helper()
	f := openFolder(t)
	place(t, f, 3)
	settled(t, f)
	without(t, f)
	restore := keep(t, f.Dir, parts...)
	f = openFolderAt(t, f.Dir)
	place(t, f, 3)
	settled(t, f)
	without(t, f)
	restore()
	return openFolderAt(t, f.Dir)
}

func change(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), statement)
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestOlderLogContinuesAtItsEnd(t *testing.T) {
	t.Parallel()
	for name, forget := range map[string]bool{"as it was": false, "with control records made anew": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := aged(t, "log", "log.db")
			if forget {
				without(t, f)
				change(t, ledgerFile(f.Dir), "DELETE FROM claims")
				f = openFolderAt(t, f.Dir)
			}
			if waiting, err := f.ArchiveFollower().Waiting(t.Context()); err != nil || waiting != 3 {
				t.Errorf("%d events wait, %v", waiting, err)
			}
			if part := logHealth(t, f, 0); !strings.Contains(part.Detail, "3 of 6 events are in the log") && part.Status == health.OK {
				t.Errorf("health: %+v", part)
			}
			if err := f.Archive(t.Context()); err != nil {
				t.Fatal(err)
			}
			wantArchived(t, f)
			if head, err := f.Log().Head(t.Context()); err != nil || head.Number != 6 {
				t.Errorf("the log ends at %d: %v", head.Number, err)
			}
		})
	}
}

func TestOlderEventsUnderNewerLogAreDetected(t *testing.T) {
	t.Parallel()
	for name, parts := range map[string][]string{
		"with their control records":  {"events.db", "control.db", "readmodels"},
		"without control records":     {"events.db"},
		"with everything but the log": {"events.db", "control.db"},
		"with all databases":          {"events.db", "control.db", "log.db", "readmodels"},
		"with newer lists":            {"events.db", "control.db", "log.db"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := aged(t, parts...)
			if err := f.CheckEvents(t.Context()); !errors.Is(err, eventstore.ErrOtherStore) {
				t.Errorf("check: %v", err)
			}
			if _, err := OpenServer(t.Context(), ServeOptions{Dir: f.Dir, Addr: "127.0.0.1:0"}); !errors.Is(err, eventstore.ErrOtherStore) {
				t.Errorf("serving: %v", err)
			}
			if r, err := f.LogCheck.VerifyEvents(t.Context(), false); err != nil || r.Sound || r.Counts[logcheck.Misfit] != 1 {
				t.Errorf("events verify: %+v, %v", r, err)
			}
			if r, err := f.LogCheck.Verify(t.Context(), logcheck.Options{}); err == nil && r.Sound {
				t.Errorf("archive verify: %+v", r)
			}
			if r, err := f.Models.Verify(t.Context(), readmodel.OrdersName, 0, verify.Options{}); err != nil || r.Sound || !strings.Contains(r.Misfit, "lost-events.md") {
				t.Errorf("projection verify: %+v, %v", r, err)
			}
			if _, err := f.LogCheck.RestoreManifests(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := f.CheckEvents(t.Context()); !errors.Is(err, eventstore.ErrOtherStore) {
				t.Errorf("check once the manifests are restored: %v", err)
			}
			if s, err := f.LogCheck.Status(t.Context()); err == nil && s.Misfit == "" {
				t.Errorf("status once the manifests are restored: %+v", s)
			}
			n := 0
			if err := EachArchived(t.Context(), f.Dir, func(*event.Event) error { n++; return nil }); err != nil || n != 6 {
				t.Errorf("the log has %d events, %v", n, err)
			}
		})
	}
}

func TestLostObjectsAreRestoredFromStore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lose func(t *testing.T, f *Folder, object string)
		deep bool
	}{
		"removed": {lose: func(t *testing.T, _ *Folder, object string) {
			if err := os.Remove(object); err != nil {
				t.Fatal(err)
			}
		}},
		"removed, its claim forgotten": {lose: func(t *testing.T, f *Folder, object string) {
			without(t, f)
			change(t, ledgerFile(f.Dir), "DELETE FROM claims")
			if err := os.Remove(object); err != nil {
				t.Fatal(err)
			}
		}},
		"removed, and more was archived since": {lose: func(t *testing.T, f *Folder, object string) {
			if err := os.RemoveAll(filepath.Dir(filepath.Dir(object))); err != nil {
				t.Fatal(err)
			}
			place(t, f, 1)
			settled(t, f)
		}},
		"one byte changed": {deep: true, lose: func(t *testing.T, _ *Folder, object string) {
			data, err := os.ReadFile(object)
			if err == nil {
				data[len(data)/2]++
				err = os.WriteFile(object, data, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := openFolder(t)
			for range 2 {
				place(t, f, 3)
				settled(t, f)
			}
			last, err := f.Ledger.Manifests(t.Context(), 3, 1)
			if err != nil {
				t.Fatal(err)
			}
			c.lose(t, f, filepath.Join(logFolder(f.Dir), last[0].Key))
			f = openFolderAt(t, f.Dir)
			if got := partOf(t, f, health.PartLogLag); !c.deep && (got.Status != health.Failing || !strings.Contains(got.Detail, "archive verify --fix")) {
				t.Errorf("health: %+v", got)
			}
			if r, err := f.LogCheck.Verify(t.Context(), logcheck.Options{Deep: c.deep}); err != nil || r.Sound {
				t.Errorf("before: %+v, %v", r, err)
			}
			r, err := f.LogCheck.Verify(t.Context(), logcheck.Options{Deep: c.deep, Fix: true})
			if err != nil || !r.Sound || r.Mended() < 1 {
				t.Errorf("fixing: %+v, %v", r, err)
			}
			wantArchived(t, f)
		})
	}
}

func TestLogCanBeUsedWithoutOtherParts(t *testing.T) {
	t.Parallel()
	for _, damaged := range []string{"events.db", "control.db"} {
		t.Run(damaged, func(t *testing.T) {
			t.Parallel()
			f := openFolder(t)
			place(t, f, 3)
			settled(t, f)
			without(t, f)
			if err := os.WriteFile(filepath.Join(f.Dir, damaged), []byte(strings.Repeat("damaged ", 2000)), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenExistingFolder(t.Context(), f.Dir); err == nil {
				t.Error("all of it was opened")
			}
			log, err := OpenParts(t.Context(), f.Dir, NumberedLog)
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			if log.Broken() == nil || !strings.Contains(log.Broken().Error(), damaged) {
				t.Errorf("broken: %v", log.Broken())
			}
			if r, err := log.LogCheck.Verify(t.Context(), logcheck.Options{}); err != nil || !r.Sound {
				t.Errorf("verify: %+v, %v", r, err)
			}
			if _, err := log.LogCheck.Status(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// withPartOfAnother is a closed folder with orders, one part of which is that of another such folder.
func withPartOfAnother(t *testing.T, part string) *Folder {
	t.Helper()
	f, other := openFolder(t), openFolder(t)
	for _, each := range []*Folder{f, other} {
		place(t, each, 3)
		settled(t, each)
		without(t, each)
	}
	err := os.RemoveAll(filepath.Join(f.Dir, part))
	if err == nil {
		err = copyTree(filepath.Join(other.Dir, part), filepath.Join(f.Dir, part))
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestPartOfAnotherFolderIsDetected(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"events.db", "control.db", "log.db", "log"} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			f := withPartOfAnother(t, part)
			f = openFolderAt(t, f.Dir)
			if err := f.CheckEvents(t.Context()); !errors.Is(err, eventstore.ErrOtherStore) || !strings.Contains(err.Error(), part) {
				t.Errorf("check: %v", err)
			}
			if r, err := f.LogCheck.VerifyEvents(t.Context(), false); err != nil || r.Sound || r.Counts[logcheck.Misfit] != 1 {
				t.Errorf("events verify: %+v, %v", r, err)
			}
		})
	}
}

func TestFolderWithoutIdsGetsThemOnce(t *testing.T) {
	t.Parallel()
	f := openFolder(t)
	place(t, f, 3)
	settled(t, f)
	without(t, f, "log/folder.json")
	for _, name := range []string{"events.db", "control.db", "log.db"} {
		change(t, filepath.Join(f.Dir, name), "DROP TABLE folder")
	}
	if err := os.WriteFile(filepath.Join(f.Dir, markerFile), []byte(`{"gakushokuFormat":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for range 2 {
		f = openFolderAt(t, f.Dir)
		for _, m := range f.parts {
			id, err := m.belong(t.Context(), "")
			if ids[id] = true; err != nil || id == "" {
				t.Errorf("%s belongs to %q: %v", m.name, id, err)
			}
		}
		without(t, f)
	}
	if len(ids) != 1 {
		t.Errorf("ids: %v", ids)
	}
}

func TestEventsCopiedWithoutWALAreDetected(t *testing.T) {
	t.Parallel()
	f := openFolder(t)
	place(t, f, 3)
	alone := filepath.Join(t.TempDir(), "data")
	if err := errors.Join(os.Mkdir(alone, 0o700), copyTree(eventsFile(f.Dir), eventsFile(alone))); err != nil {
		t.Fatal(err)
	}
	c := openFolderAt(t, alone)
	for range 2 { // looking makes it no better
		if r, err := c.LogCheck.VerifyEvents(t.Context(), false); err != nil || r.Sound || r.Counts[logcheck.Misfit] != 1 {
			t.Errorf("events verify: %+v, %v", r, err)
		}
		if r, err := c.LogCheck.Verify(t.Context(), logcheck.Options{}); err != nil || r.Sound || r.Counts[logcheck.Misfit] != 1 {
			t.Errorf("archive verify: %+v, %v", r, err)
		}
	}
	if got := partOf(t, c, health.PartEventStore); got.Status != health.Failing {
		t.Errorf("health: %+v", got)
	}
	without(t, c)
	if _, err := OpenServer(t.Context(), ServeOptions{Dir: alone, Addr: "127.0.0.1:0"}); !errors.Is(err, eventstore.ErrOtherStore) || !strings.Contains(err.Error(), "-wal") {
		t.Errorf("serving: %v", err)
	}
}
