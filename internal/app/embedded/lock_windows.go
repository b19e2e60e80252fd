package embedded

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// locks reports whether tryLock keeps other processes out.
const locks = true

// tryLock takes a lock that ends with the process.
func tryLock(f *os.File) error {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	return windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, new(windows.Overlapped))
}

// openLock opens the file to lock: one in the folder, since the folder itself cannot be locked.
func openLock(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, "folder.lock"), os.O_RDWR|os.O_CREATE, 0o600)
}
