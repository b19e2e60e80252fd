//go:build !unix && !windows

package embedded

import (
	"os"
	"path/filepath"
)

// locks reports whether tryLock keeps other processes out.
const locks = false

// tryLock takes no lock: the stores are safe without one; only the log files may suffer.
func tryLock(*os.File) error { return nil }

// openLock opens the file to lock: one in the folder, since the folder itself cannot be locked.
func openLock(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, "folder.lock"), os.O_RDWR|os.O_CREATE, 0o600)
}
