//go:build unix

package files

import "golang.org/x/sys/unix"

func diskSpace(path string) (all, free uint64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, 0, err
	}
	used := uint64(s.Blocks) - uint64(s.Bfree)
	return (used + uint64(s.Bavail)) * uint64(s.Bsize), uint64(s.Bavail) * uint64(s.Bsize), nil
}
