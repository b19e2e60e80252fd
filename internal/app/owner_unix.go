//go:build unix

package app

import (
	"io/fs"
	"syscall"
)

// ownerOf is the id of the user to whom a file belongs.
func ownerOf(file fs.FileInfo) (uid int, known bool) {
	stat, known := file.Sys().(*syscall.Stat_t)
	if !known {
		return 0, false
	}
	return int(stat.Uid), true
}
