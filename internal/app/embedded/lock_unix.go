//go:build unix

package embedded

import (
	"os"
	"syscall"
)

// locks reports whether tryLock keeps other processes out.
const locks = true

// tryLock takes a lock that ends with the process.
func tryLock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

// openLock opens the file to lock: the folder itself.
func openLock(dir string) (*os.File, error) { return os.Open(dir) }
