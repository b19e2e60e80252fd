package files

import "fmt"

// DiskSpace returns the size of path's file system and its free space for this process, in bytes.
func DiskSpace(path string) (all, free uint64, err error) {
	if all, free, err = diskSpace(path); err != nil {
		return 0, 0, fmt.Errorf("asking for free space at %s: %w", path, err)
	}
	return all, free, nil
}

// DiskFree returns the free space for this process on path's file system, in bytes.
func DiskFree(path string) (uint64, error) {
	_, free, err := DiskSpace(path)
	return free, err
}
