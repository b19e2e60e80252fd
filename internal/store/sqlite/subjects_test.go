package sqlite_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gakushoku/internal/engine/subject"
	"gakushoku/internal/engine/subject/subjecttest"
	"gakushoku/internal/store/sqlite"
)

func openSubjects(t *testing.T, path string) *sqlite.SubjectKeys {
	t.Helper()
	keys, err := sqlite.OpenSubjectKeys(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := keys.Close(); err != nil {
			t.Error(err)
		}
	})
	return keys
}

func TestSubjectKeys(t *testing.T) {
	t.Parallel()
	subjecttest.TestKeys(t, func(t *testing.T) (subject.Keys, func() subject.Keys) {
		path := filepath.Join(t.TempDir(), "keys.db")
		return openSubjects(t, path), func() subject.Keys { return openSubjects(t, path) }
	})
}

func TestADestroyedKeyIsNowhereInTheFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys := openSubjects(t, filepath.Join(dir, "keys.db"))
	var key subject.Key
	copy(key[:], strings.Repeat("destroy!", 4))
	if _, err := keys.Add(t.Context(), "a", key); err != nil {
		t.Fatal(err)
	}
	holding := func() (n int) {
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			n += bytes.Count(data, key[:])
		}
		return n
	}
	if holding() == 0 {
		t.Fatal("the key is in no file")
	}
	if _, _, err := keys.Erase(t.Context(), "a", 1); err != nil {
		t.Fatal(err)
	}
	if n := holding(); n != 0 {
		t.Errorf("the key is in the files %d times", n)
	}
}
