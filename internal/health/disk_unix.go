//go:build unix

package health

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// DiskFree is how many bytes this process may still write on the file system of path.
func DiskFree(path string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, fmt.Errorf("asking for free space at %s: %w", path, err)
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil
}
