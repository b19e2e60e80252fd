//go:build !unix && !windows

package embedded

import (
	"os"
	"path/filepath"
)

// locks: tryLock keeps no other process out.
const locks = false

// tryLock has no lock to take: the stores are safe without it, only the logs may suffer.
func tryLock(*os.File) error { return nil }

// openLock opens the file that is locked: one in the folder, since the folder itself cannot be locked.
func openLock(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, "folder.lock"), os.O_RDWR|os.O_CREATE, 0o600)
}
