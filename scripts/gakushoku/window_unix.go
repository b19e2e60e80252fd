//go:build unix

package main

import "golang.org/x/sys/unix"

// rowsOf is how many lines a terminal has; 0 when that is not known.
func rowsOf(fd uintptr) int {
	size, err := unix.IoctlGetWinsize(int(fd), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Row)
}
