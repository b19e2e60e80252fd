//go:build unix

package main

import "golang.org/x/sys/unix"

// rowsOf returns the height of a terminal in lines; 0 if it is unknown.
func rowsOf(fd uintptr) int {
	size, err := unix.IoctlGetWinsize(int(fd), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Row)
}
