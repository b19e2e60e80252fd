package sqlite

import (
	"os"
	"path/filepath"
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
