//go:build !unix && !windows

package embedded

import (
	"os"
	"path/filepath"
)

// locks reports that tryLock keeps nobody out.
const locks = false

// tryLock has no lock to take: the stores are safe without it, only logs may suffer.
func tryLock(*os.File) error { return nil }

// openLock opens what the lock of a folder is on: a file in it, since the folder cannot be locked.
func openLock(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, "folder.lock"), os.O_RDWR|os.O_CREATE, 0o600)
}
