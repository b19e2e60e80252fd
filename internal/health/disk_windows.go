package health

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// DiskFree is how many bytes this process may still write on the file system of path.
func DiskFree(path string) (uint64, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, fmt.Errorf("asking for free space at %s: %w", path, err)
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return 0, fmt.Errorf("asking for free space at %s: %w", path, err)
	}
	return free, nil
}
