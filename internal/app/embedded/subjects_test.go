package embedded

import (
	"path/filepath"
	"testing"

	"gakushoku/internal/engine/subject"
	"gakushoku/internal/engine/subject/subjecttest"
)

func TestSubjectKeysOfAFolder(t *testing.T) {
	t.Parallel()
	subjecttest.TestKeys(t, func(t *testing.T) (subject.Keys, func() subject.Keys) {
		path := filepath.Join(t.TempDir(), "keys.db")
		open := func() subject.Keys {
			keys := &subjectKeys{path: path}
			t.Cleanup(func() { keys.Close() })
			return keys
		}
		return open(), open
	})
}
