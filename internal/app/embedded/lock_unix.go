//go:build unix

package embedded

import (
	"os"
	"syscall"
)

// locks reports that tryLock keeps others out.
const locks = true

// tryLock takes the lock that ends with the process.
func tryLock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

// openLock opens what the lock of a folder is on: the folder.
func openLock(dir string) (*os.File, error) { return os.Open(dir) }
