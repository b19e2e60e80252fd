package files_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventlog/eventlogtest"
	"gakushoku/internal/fault"
	"gakushoku/internal/store/files"
)

func open(t *testing.T, dir string) *files.Blobs {
	t.Helper()
	s, err := files.OpenBlobs(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBlobs(t *testing.T) {
	t.Parallel()
	eventlogtest.TestBlobs(t, eventlogtest.Blobs{
		Open: func(t *testing.T) eventlogtest.BlobsInstance {
			dir := filepath.Join(t.TempDir(), "new", "log")
			return eventlogtest.BlobsInstance{Store: open(t, dir), Reopen: func(t *testing.T) eventlog.Blobs { return open(t, dir) }}
		},
	})
}

func TestWhatACrashLeftHalfWrittenIsNotSeenAndGoesAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Put(t.Context(), "segments/a", []byte("whole")); err != nil {
		t.Fatal(err)
	}
	old, young := filepath.Join(dir, ".tmp", "put-1"), filepath.Join(dir, ".tmp", "put-2")
	for _, path := range []string{old, young} {
		if err := os.WriteFile(path, []byte("ha"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	yesterday := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(old, yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	listed, err := open(t, dir).List(t.Context(), "", "", 10)
	if err != nil || len(listed) != 1 || listed[0].Key != "segments/a" {
		t.Errorf("the list shows %+v, %v", listed, err)
	}
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("the old one is still there: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("what another process may be writing is gone: %v", err)
	}
}

func TestAPutLeavesNothingElseBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Put(t.Context(), "a/b", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "a", []byte("x")); fault.ClassOf(err) != fault.Infra {
		t.Errorf("a put in place of a folder: %v", err)
	}
	if err := s.Put(t.Context(), "a/b/c", []byte("x")); fault.ClassOf(err) != fault.Infra {
		t.Errorf("a put below an object: %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, ".tmp")); err != nil || len(left) != 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}

func TestFilesThatNoKeyHasAreNotListed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	for _, name := range []string{".DS_Store", "notes with spaces", "学食"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if listed, err := s.List(t.Context(), "", "", 10); err != nil || len(listed) != 0 {
		t.Errorf("the list shows %+v, %v", listed, err)
	}
}

func TestADiskThatFailsIsNamedAndMayBeTriedAgain(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := files.OpenBlobs(filepath.Join(file, "log")); fault.ClassOf(err) != fault.Infra {
		t.Errorf("objects in a file: %v", err)
	}
	dir := t.TempDir()
	s := open(t, dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "a", nil); fault.ClassOf(err) != fault.Infra {
		t.Errorf("a put into a folder that is gone: %v", err)
	}
	if _, err := s.Get(t.Context(), "a"); err == nil {
		t.Error("an object of a folder that is gone was read")
	}
}
