//go:build unix

package embedded

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fileOf is a file that belongs to a user.
type fileOf struct {
	fs.FileInfo
	uid uint32
}

func (f fileOf) Sys() any { return &syscall.Stat_t{Uid: f.uid} }

func TestRootLeavesFoldersOfOthersAlone(t *testing.T) {
	const nobody = 65534
	for name, c := range map[string]struct {
		owner   uint32
		euid    int
		refused bool
	}{
		"root in a folder of the server's user":    {nobody, 0, true},
		"root in a folder of its own":              {0, 0, false},
		"the server's user in a folder of its own": {nobody, nobody, false},
		"another user, whom permissions keep out":  {nobody, 1000, false},
	} {
		err := checkOwner("/data", fileOf{uid: c.owner}, c.euid)
		if errors.Is(err, ErrOtherUser) != c.refused || err != nil && !strings.Contains(err.Error(), "sudo -u") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNothingIsOpenedInAFolderOfAnother(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may give a file away")
	}
	dir := filepath.Join(t.TempDir(), "data")
	folder, err := OpenFolder(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := folder.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(filepath.Join(dir, markerFile), 65534, -1); err != nil {
		t.Fatal(err)
	}
	_, made := OpenFolder(t.Context(), dir)
	_, opened := OpenExistingFolder(t.Context(), dir)
	if !errors.Is(made, ErrOtherUser) || !errors.Is(opened, ErrOtherUser) {
		t.Errorf("OpenFolder: %v; OpenExistingFolder: %v", made, opened)
	}
}
