//go:build unix

package embedded

import (
	"fmt"
	"io/fs"
	"syscall"
)

// ownerOf returns the id of a file's owner.
func ownerOf(file fs.FileInfo) (uid int, known bool) {
	stat, known := file.Sys().(*syscall.Stat_t)
	if !known {
		return 0, false
	}
	return int(stat.Uid), true
}

// fileID identifies a file by its device and inode.
func fileID(file fs.FileInfo) string {
	stat, known := file.Sys().(*syscall.Stat_t)
	if !known {
		return ""
	}
	return fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

// ownsFiles reports whether the mode of a file tells who may read it.
const ownsFiles = true
