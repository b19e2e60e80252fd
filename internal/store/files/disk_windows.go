package files

import "golang.org/x/sys/windows"

func diskSpace(path string) (all, free uint64, err error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, 0, err
	}
	err = windows.GetDiskFreeSpaceEx(name, &free, &all, nil)
	return all, free, err
}
