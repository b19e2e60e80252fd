//go:build unix

package files

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gakushoku/internal/engine/eventlog"
)

func TestWhatIsNoFileKeepsNoReaderWaiting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := OpenBlobs(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", filepath.Join(dir, "endless")); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"pipe", "endless"} {
		_, whole := s.Get(t.Context(), key)
		_, part := s.GetRange(t.Context(), key, 0, 1)
		for _, err := range []error{whole, part} {
			if !errors.Is(err, eventlog.ErrNoBlob) || !strings.Contains(err.Error(), "no file") {
				t.Errorf("%s: %v", key, err)
			}
		}
	}
}
