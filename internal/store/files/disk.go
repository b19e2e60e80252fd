package files

import "fmt"

// DiskSpace is how many bytes the file system of path has for this process, and how many of them
// it may still write.
func DiskSpace(path string) (all, free uint64, err error) {
	if all, free, err = diskSpace(path); err != nil {
		return 0, 0, fmt.Errorf("asking for free space at %s: %w", path, err)
	}
	return all, free, nil
}

// DiskFree is how many bytes this process may still write on the file system of path.
func DiskFree(path string) (uint64, error) {
	_, free, err := DiskSpace(path)
	return free, err
}
