package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFileBelongsToTheFirstFolderThatTakesIt(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for _, c := range []struct{ id, want string }{{"", ""}, {"one", "one"}, {"", "one"}, {"two", "one"}} {
		if got, err := s.Belong(t.Context(), c.id); err != nil || got != c.want {
			t.Errorf("%q: it belongs to %q, want %q: %v", c.id, got, c.want, err)
		}
	}
}

func TestCopyWithoutItsWriteAheadLogSaysSo(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events.db")
	s := openEventsAt(t, path)
	if _, err := s.Belong(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	cut := func(what string, want bool, suffixes ...string) {
		t.Helper()
		copied := filepath.Join(t.TempDir(), "events.db")
		for _, suffix := range suffixes {
			if _, err := os.Stat(path + suffix); err == nil {
				copyFile(t, path+suffix, copied+suffix)
			}
		}
		for round := range 2 { // that it was opened and closed does not make it whole
			c, err := OpenExistingEvents(t.Context(), copied)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Belong(t.Context(), ""); err != nil || c.CutOff() != want {
				t.Errorf("%s, opened %d times before: cut off is %t, %v", what, round, c.CutOff(), err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	cut("before anything was appended", false, "")
	appendOrders(t, s, "a", 5)
	cut("the file alone", true, "")
	cut("with its log, as after a crash", false, "", "-wal")
	other := openEventsAt(t, path)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cut("while another has it open", true, "")
	if _, err := other.Belong(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	cut("after an orderly close", false, "")
}

func TestStoreThatDiesWhileItIsClosedOpensAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events.db")
	s := openEventsAt(t, path)
	if _, err := s.Belong(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	appendOrders(t, s, "a", 5)
	reopen := func(step int, change func(copied string)) {
		t.Helper()
		copied := filepath.Join(t.TempDir(), "events.db")
		for _, suffix := range []string{"", "-wal"} {
			if _, err := os.Stat(path + suffix); err == nil {
				copyFile(t, path+suffix, copied+suffix)
			}
		}
		change(copied)
		c, err := OpenExistingEvents(t.Context(), copied)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if head, err := c.Head(t.Context()); err != nil || c.CutOff() || head != 5 {
			t.Errorf("after step %d: cut off is %t, the last event is %d, %v", step, c.CutOff(), head, err)
		}
	}
	if err := s.db.read.Close(); err != nil {
		t.Fatal(err)
	}
	for i, step := range s.db.stepsToWhole() {
		reopen(i, func(string) {})
		if goOn, err := step(); err != nil || !goOn {
			t.Fatalf("step %d: %t, %v", i, goOn, err)
		}
	}
	reopen(3, func(string) {})
	reopen(3, func(copied string) { // the log has gone, the file still says that it has one
		file, err := os.OpenFile(copied, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt([]byte{2, 2}, 18); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestStoreAfterACrashIsNotCutOffByWhoeverLooksAtIt(t *testing.T) {
	t.Parallel()
	for name, look := range map[string]func(path string) error{
		"nothing but what it is": func(path string) error {
			_, err := identify(t.Context(), path, eventsFile, eventsFormat)
			return err
		},
		"without asking to which folder it belongs": func(path string) error {
			s, err := OpenExistingEvents(t.Context(), path)
			if err != nil {
				return err
			}
			return s.Close()
		},
		"and cannot open it": func(path string) error {
			if _, err := open(t.Context(), path, eventsFile, "", "", "not SQL"); err == nil {
				return errors.New("it was opened")
			}
			return nil
		},
	} {
		s, copied := inFolder(t, "one", 1)
		appendOrders(t, s, "b", 2)
		copyFile(t, s.Path(), copied)
		copyFile(t, s.Path()+"-wal", copied+"-wal")
		if err := look(copied); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		c := openEventsAt(t, copied)
		if head, err := c.Head(t.Context()); err != nil || head != 3 || c.CutOff() {
			t.Errorf("%s: cut off is %t, the last event is %d: %v", name, c.CutOff(), head, err)
		}
	}
}

func TestAFileOfWhichTheFolderCannotBeReadSaysSo(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	s := openEventsAt(t, filepath.Join(dir, "events.db"))
	c, err := OpenControl(ctx, filepath.Join(dir, "control.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l, err := OpenLedger(ctx, filepath.Join(dir, "log.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for path, belong := range map[string]func(context.Context, string) (string, error){s.Path(): s.Belong, c.db.path: c.Belong, l.db.path: l.Belong} {
		if _, err := belong(ctx, "one"); err != nil {
			t.Fatal(err)
		}
		aside(t, path, "ALTER TABLE folder RENAME COLUMN id TO other")
		if got, err := belong(ctx, "one"); err == nil || got != "" || !strings.Contains(err.Error(), path) {
			t.Errorf("it belongs to %q, %v; want an error that names %s", got, err, path)
		}
		aside(t, path, "ALTER TABLE folder RENAME COLUMN other TO id", "DELETE FROM folder", "CREATE TRIGGER full BEFORE INSERT ON folder BEGIN SELECT RAISE(FAIL, 'no room'); END")
		if got, err := belong(ctx, "two"); err == nil || got != "" || !strings.Contains(err.Error(), "no room") {
			t.Errorf("it belongs to %q, %v; want that there is no room", got, err)
		}
	}
}

func TestALookAtACopyThatIsStoppedDoesNotCallItWhole(t *testing.T) {
	t.Parallel()
	s, copied := inFolder(t, "one", 1)
	for _, stopped := range []bool{false, true} {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		if stopped {
			stop()
		}
		if cut, err := cutOff(ctx, copied); cut == stopped || errors.Is(err, context.Canceled) != stopped {
			t.Errorf("stopped %t: a copy of %s is cut off: %t, %v", stopped, s.Path(), cut, err)
		}
	}
}
