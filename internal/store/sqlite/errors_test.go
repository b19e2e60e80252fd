package sqlite

import (
	"strings"
	"testing"

	sqlite3 "modernc.org/sqlite/lib"
)

func TestAdviceIsAboutTheDiskWhenThatIsFullOrReadOnly(t *testing.T) {
	t.Parallel()
	for _, code := range []int{sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY} {
		if got := (disk{full: true}).advice(code); !strings.Contains(got, "disk is full") || strings.Contains(got, "backup") {
			t.Errorf("%d on a full disk: %q", code, got)
		}
		damaged := code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
		if got := (disk{readOnly: true}).advice(code); strings.Contains(got, "read-only") == damaged {
			t.Errorf("%d on a read-only disk: %q", code, got)
		}
		if got := (disk{}).advice(code); got == "" || strings.Contains(got, "disk is full") || strings.Contains(got, "read-only") {
			t.Errorf("%d: %q", code, got)
		}
	}
	if got := (disk{full: true, readOnly: true}).advice(sqlite3.SQLITE_CONSTRAINT); got != "" {
		t.Errorf("what is no matter of the disk: %q", got)
	}
}

func TestADiskThatHasRoomIsNeitherFullNorReadOnly(t *testing.T) {
	t.Parallel()
	if got := diskOf(t.TempDir()); got != (disk{}) {
		t.Errorf("%+v", got)
	}
}
