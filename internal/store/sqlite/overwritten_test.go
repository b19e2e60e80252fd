package sqlite

import (
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/event"
)

// inFolder is a store of this folder with so many events, all of which are in the file itself, and
// a copy of that file beside it.
func inFolder(t *testing.T, folder string, events int) (s *Events, copied string) {
	t.Helper()
	s = openEventsAt(t, filepath.Join(t.TempDir(), "events.db"))
	if _, err := s.Belong(t.Context(), folder); err != nil {
		t.Fatal(err)
	}
	appendOrders(t, s, "a", events)
	if _, err := s.db.write.ExecContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Fatal(err)
	}
	if err := s.InPlace(); err != nil {
		t.Fatal(err)
	}
	copied = s.Path() + ".copy"
	copyFile(t, s.Path(), copied)
	return s, copied
}

func TestAStoreNoticesWhoseContentItsFileHasNow(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be overwritten there")
	}
	for name, c := range map[string]struct {
		overwrite func(t *testing.T, path, copied string)
		says      string
	}{
		"another folder's": {func(t *testing.T, path, _ string) {
			_, other := inFolder(t, "two", 100)
			copyFile(t, other, path)
		}, "another or an older file"},
		"older, and as large": {func(t *testing.T, path, copied string) {
			aside(t, copied, "DELETE FROM events WHERE position > 10")
			copyFile(t, copied, path)
		}, "another or an older file"},
		"older, and smaller": {func(t *testing.T, path, copied string) {
			aside(t, copied, "DELETE FROM events WHERE position > 10", "VACUUM")
			copyFile(t, copied, path)
		}, "was overwritten"},
		"the same": {func(t *testing.T, path, copied string) { copyFile(t, copied, path) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, copied := inFolder(t, "one", 100)
			c.overwrite(t, s.Path(), copied)
			if err := os.Chtimes(s.Path(), time.Time{}, time.Now().Add(time.Hour)); err != nil { // however coarse its clock is
				t.Fatal(err)
			}
			err := s.db.glance() // before a commit, nothing else is looked at
			if c.says == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			if !errors.Is(err, ErrReplaced) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want that it %s", err, c.says)
			}
		})
	}
}

func TestAReplacedStoreIsNotReadFromTheNewFile(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be moved there")
	}
	s, copied := olderCopy(t)
	s.db.read.SetMaxIdleConns(0) // so that the next read needs another connection
	if err := os.Rename(copied, s.Path()); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Load(t.Context(), "order-a1", 0); !errors.Is(err, ErrReplaced) {
		t.Errorf("%d events, %v", len(got), err)
	}
}

func TestAStoreWhoseFilesAreGoneOrUnreadableIsNotOpened(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be removed there")
	}
	for name, c := range map[string]struct {
		do   func(path string) error
		gone bool
	}{
		"the file":             {os.Remove, true},
		"the write-ahead log":  {func(path string) error { return os.Remove(path + "-wal") }, true},
		"what cannot be read":  {func(path string) error { return os.WriteFile(path, []byte("lunch"), 0o600) }, false},
		"the folder they were": {func(path string) error { return os.RemoveAll(filepath.Dir(path)) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			if err := s.Append(t.Context(), "order-o1", 0, []event.Event{newEvent()}); err != nil {
				t.Fatal(err)
			}
			_, err := s.db.write.ExecContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)")
			if err = errors.Join(err, c.do(s.Path())); err != nil {
				t.Fatal(err)
			}
			if err := s.db.settle(); err == nil || errors.Is(err, fs.ErrNotExist) != c.gone {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A call that fails because another file has become the table meanwhile is made again there, once.
func TestACallGoesOnInTheFileThatHasBecomeTheTable(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be replaced there")
	}
	broken := errors.New("the disk is gone")
	for name, test := range map[string]struct {
		replaced bool
		again    error // of the second call
		calls    int
		want     error
	}{
		"another file":               {true, nil, 2, nil},
		"another file, which fails":  {true, broken, 2, broken},
		"the same file, that it was": {false, nil, 1, ErrReplaced},
	} {
		dir := t.TempDir()
		s := newTables(t, dir)
		mustCreate(t, s)
		if err := s.Close(); err != nil { // so that the file is whole
			t.Fatal(err)
		}
		copied := filepath.Join(dir, "copy.db")
		copyFile(t, s.path(ordersV1), copied)
		s = newTables(t, dir)
		calls := 0
		err := s.with(t.Context(), ordersV1, "reading", func(*tableVersion) error {
			if calls++; calls > 1 {
				return test.again
			}
			if test.replaced {
				if err := os.Rename(copied, s.path(ordersV1)); err != nil {
					t.Fatal(err)
				}
			}
			return ErrReplaced
		})
		if calls != test.calls || !errors.Is(err, test.want) {
			t.Errorf("%s: %d calls, %v; want %d and %v", name, calls, err, test.calls, test.want)
		}
	}
}

func TestAFileThatStaysUnreadableWasOverwritten(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be overwritten there")
	}
	s, copied := inFolder(t, "one", 1)
	garbage, err := os.ReadFile(copied)
	if err != nil {
		t.Fatal(err)
	}
	clear(garbage)
	if err := errors.Join(os.WriteFile(s.Path(), garbage, 0o600), os.Chtimes(s.Path(), time.Time{}, time.Now().Add(-time.Hour))); err != nil {
		t.Fatal(err)
	}
	if err := s.db.glance(); err != nil {
		t.Errorf("at first it may be a checkpoint under way: %v", err)
	}
	s.db.place.unread = time.Now().Add(-2 * unreadLimit)
	if err := s.db.glance(); !errors.Is(err, ErrReplaced) || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("got %v", err)
	}
}

func TestALookThatFindsTheFileReplacedLeavesNothingBesideTheNewOne(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be moved there")
	}
	s, copied := olderCopy(t)
	if err := os.Rename(copied, s.Path()); err != nil {
		t.Fatal(err)
	}
	if err := s.InPlace(); !errors.Is(err, ErrReplaced) {
		t.Errorf("got %v", err)
	}
	for _, beside := range []string{"-wal", "-shm"} {
		if _, err := os.Stat(s.Path() + beside); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s of the old file stays beside the new one: %v", beside, err)
		}
	}
}

// A checkpoint that has only written some of its pages, because it is under way or because its
// process died, leaves a file that can be read with its write-ahead log only.
func TestAFileInTheMiddleOfACheckpointIsOpened(t *testing.T) {
	t.Parallel()
	s := openEventsAt(t, filepath.Join(t.TempDir(), "events.db"))
	if _, err := s.Belong(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	appendOrders(t, s, "a", 100)
	torn := filepath.Join(t.TempDir(), "events.db")
	copyFile(t, s.Path(), torn)
	copyFile(t, s.Path()+"-wal", torn+"-wal")
	if err := tear(torn); err != nil {
		t.Fatal(err)
	}
	// Somebody else has it open: the last one to close it would end the checkpoint.
	other, err := sql.Open("sqlite", dsn(torn, "mode=rw"))
	if err == nil {
		_, err = other.Exec("SELECT * FROM events LIMIT 1")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	again := openEventsAt(t, torn)
	if last, err := again.Head(t.Context()); err != nil || last != 100 {
		t.Errorf("the last event is %d, %v", last, err)
	}
	for range 3 {
		if err := again.InPlace(); err != nil {
			t.Fatal(err)
		}
	}
	appendOrders(t, again, "b", 1)
	if err := errors.Join(other.Close(), again.Close()); err != nil {
		t.Fatal(err)
	}
	if whole := openEventsAt(t, torn); whole.db.place.seen.content != (content{"one", 101}) {
		t.Errorf("read %+v", whole.db.place.seen.content)
	}
}

// While a reader holds an old state, a checkpoint cannot copy the pages that have changed since, so the
// file alone holds pages of several states for as long as the reader likes.
func TestAFileWhoseCheckpointWaitsForAReaderStaysInUse(t *testing.T) {
	t.Parallel()
	s := openEventsAt(t, filepath.Join(t.TempDir(), "events.db"))
	if _, err := s.Belong(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	reader, err := sql.Open("sqlite", dsn(s.Path(), "mode=rw"))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	tx, err := reader.Begin()
	if err == nil {
		_, err = tx.Exec("SELECT * FROM events LIMIT 1")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback() //nolint:errcheck // it only reads
	appendOrders(t, s, "a", 100)
	if err := tear(s.Path()); err != nil {
		t.Fatal(err)
	}
	written := time.Now().Add(-time.Hour)
	if err := os.Chtimes(s.Path(), written, written); err != nil {
		t.Fatal(err)
	}
	s.db.place.unread = written.Add(time.Minute)
	if err := s.InPlace(); err != nil {
		t.Error(err)
	}
	other := openEventsAt(t, s.Path())
	if last, err := other.Head(t.Context()); err != nil || last != 100 {
		t.Errorf("the last event is %d, %v", last, err)
	}
	if err := errors.Join(tx.Rollback(), reader.Close()); err != nil {
		t.Fatal(err)
	}
	appendOrders(t, other, "b", 1)
	for _, store := range []*Events{s, other} {
		if err := store.InPlace(); err != nil {
			t.Error(err)
		}
	}
}

// tear ruins the root page of the table of events, which the write-ahead log has too.
func tear(path string) error {
	db, err := sql.Open("sqlite", dsn(path, "mode=ro"))
	if err != nil {
		return err
	}
	var page, root int64
	err = db.QueryRow("SELECT page_size, rootpage FROM pragma_page_size, sqlite_master WHERE name = 'events'").Scan(&page, &root)
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(make([]byte, page), (root-1)*page)
	return errors.Join(err, f.Close())
}
