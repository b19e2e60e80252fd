package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
)

// appendOrders appends so many events, each to a stream of its own.
func appendOrders(t *testing.T, s *Events, name string, count int) {
	t.Helper()
	for i := range count {
		if err := s.Append(t.Context(), fmt.Sprintf("order-%s%d", name, i), 0, []event.Event{newEvent()}); err != nil {
			t.Fatal(err)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// olderCopy is a store with 100 new events and, beside it, a copy from before those, with 30.
func olderCopy(t *testing.T) (s *Events, copied string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "events.db")
	s, err := OpenEvents(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	appendOrders(t, s, "a", 30)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	copied = filepath.Join(dir, "copy.db")
	copyFile(t, path, copied)
	if s, err = OpenEvents(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	appendOrders(t, s, "b", 100)
	return s, copied
}

// wantWhole wants a file to be a store with so many events, as another process finds it: in this
// one SQLite goes by the inode, of which it may still have what was there before.
func wantWhole(t *testing.T, path string, events uint64) {
	t.Helper()
	fresh := filepath.Join(t.TempDir(), "events.db")
	copyFile(t, path, fresh)
	if _, err := os.Stat(path + "-wal"); err == nil {
		copyFile(t, path+"-wal", fresh+"-wal")
	}
	s, err := OpenExistingEvents(t.Context(), fresh)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var sound string
	head, err := s.Head(t.Context())
	if err == nil {
		err = s.db.read.QueryRow("PRAGMA integrity_check").Scan(&sound)
	}
	if err != nil || head != events || sound != "ok" {
		t.Errorf("%s has %d events, want %d: %s, %v", path, head, events, sound, err)
	}
}

func TestReplacedStoreTakesNothingAndLeavesTheNewFileAlone(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be removed there")
	}
	for name, c := range map[string]struct {
		do     func(t *testing.T, s *Events, copied string)
		events uint64 // of the file at the path afterwards; 0: there is none
	}{
		"moved over": {func(t *testing.T, s *Events, copied string) {
			if err := os.Rename(copied, s.Path()); err != nil {
				t.Fatal(err)
			}
		}, 30},
		"copied over in place": {func(t *testing.T, s *Events, copied string) {
			if _, err := s.db.write.ExecContext(t.Context(), "PRAGMA wal_checkpoint"); err != nil {
				t.Fatal(err)
			}
			if err := s.InPlace(); err != nil {
				t.Fatal(err)
			}
			appendOrders(t, s, "c", 1)
			copyFile(t, copied, s.Path())
		}, 30},
		"removed and copied": {func(t *testing.T, s *Events, copied string) {
			if err := os.Remove(s.Path()); err != nil {
				t.Fatal(err)
			}
			copyFile(t, copied, s.Path())
		}, 30},
		"removed": {func(t *testing.T, s *Events, _ string) {
			if err := os.Remove(s.Path()); err != nil {
				t.Fatal(err)
			}
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, copied := olderCopy(t)
			c.do(t, s, copied)
			err := s.Append(t.Context(), "order-late", 0, []event.Event{newEvent()})
			if !errors.Is(err, ErrReplaced) || fault.ClassOf(err) != fault.Infra {
				t.Fatalf("append: %v", err)
			}
			if err := s.InPlace(); !errors.Is(err, ErrReplaced) {
				t.Errorf("in place: %v", err)
			}
			for _, beside := range []string{"-wal", "-shm"} {
				if _, err := os.Stat(s.Path() + beside); err == nil {
					t.Errorf("%s of the old file stays beside the new one", beside)
				}
			}
			before, _ := os.ReadFile(s.Path())
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if after, _ := os.ReadFile(s.Path()); !bytes.Equal(before, after) {
				t.Error("closing has changed the new file")
			}
			if c.events > 0 {
				wantWhole(t, s.Path(), c.events)
			}
		})
	}
}

func TestStoreMovedAwayKeepsEveryAcknowledgedEvent(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be moved there")
	}
	s, _ := olderCopy(t)
	moved := s.Path() + ".bak"
	if err := os.Rename(s.Path(), moved); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), "order-late", 0, []event.Event{newEvent()}); !errors.Is(err, ErrReplaced) {
		t.Errorf("append: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wantWhole(t, moved, 130)
}

func TestStoreReplacedWithoutAppendsIsLeftAloneAtClose(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be moved there")
	}
	s, copied := olderCopy(t)
	if err := os.Rename(copied, s.Path()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wantWhole(t, s.Path(), 30)
}

func TestStoreWithoutItsWriteAheadLogOrFolderTakesNothing(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be removed there")
	}
	for name, do := range map[string]func(path string) error{
		"the write-ahead log":  func(path string) error { return os.Remove(path + "-wal") },
		"the shared memory":    func(path string) error { return os.Remove(path + "-shm") },
		"a folder of its name": func(path string) error { return os.Rename(filepath.Dir(path), filepath.Dir(path)+"-moved") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := olderCopy(t)
			if err := do(s.Path()); err != nil {
				t.Fatal(err)
			}
			if err := s.Append(t.Context(), "order-late", 0, []event.Event{newEvent()}); !errors.Is(err, ErrReplaced) {
				t.Errorf("append: %v", err)
			}
		})
	}
}

func TestCheckpointsOfOthersAreNoReplacement(t *testing.T) {
	t.Parallel()
	s, _ := olderCopy(t)
	other := openEventsAt(t, s.Path())
	for round := range 5 {
		appendOrders(t, other, fmt.Sprintf("other-%d-", round), 20)
		if _, err := other.db.write.ExecContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
			t.Fatal(err)
		}
		appendOrders(t, s, fmt.Sprintf("own-%d-", round), 20)
		if err := s.InPlace(); err != nil {
			t.Fatal(err)
		}
	}
}

func openEventsAt(t *testing.T, path string) *Events {
	t.Helper()
	s, err := OpenEvents(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestEveryStoreNoticesThatItWasReplaced(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be removed there")
	}
	dir := t.TempDir()
	c, err := OpenControl(t.Context(), filepath.Join(dir, "control.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l, err := OpenLedger(t.Context(), filepath.Join(dir, "log.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := errors.Join(c.InPlace(), l.InPlace()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(c.db.path), os.Remove(l.db.path)); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"control": c.InPlace(), "ledger": l.InPlace(),
		"checkpoint": c.SetCheckpoint(t.Context(), "reader", projection.Checkpoint{}),
	} {
		if !errors.Is(err, ErrReplaced) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReplacedTableIsOpenedAnew(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be replaced there")
	}
	dir := t.TempDir()
	tables := OpenTables(dir)
	mustCreate(t, tables)
	if err := tables.Close(); err != nil {
		t.Fatal(err)
	}
	older := filepath.Join(t.TempDir(), "older.db")
	tables = OpenTables(dir)
	defer tables.Close()
	copyFile(t, tables.path(ordersV1), older)
	write := func(stream string) {
		t.Helper()
		if _, err := tables.Write(t.Context(), ordersV1, []projection.Change{row(stream)}); err != nil {
			t.Fatal(err)
		}
	}
	write("order-1")
	if err := os.Rename(older, tables.path(ordersV1)); err != nil {
		t.Fatal(err)
	}
	write("order-2")
	rows, err := tables.Records(t.Context(), ordersV1, []string{"order-1", "order-2"})
	if err != nil || len(rows) != 1 {
		t.Errorf("%d rows: %v", len(rows), err)
	}
}
