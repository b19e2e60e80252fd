//go:build !unix

package embedded

import "io/fs"

// ownerOf returns no owner: on this system no user may write everywhere.
func ownerOf(fs.FileInfo) (uid int, known bool) { return 0, false }

// fileID returns "": there is no id of a file that is valid in another process.
func fileID(fs.FileInfo) string { return "" }

// ownsFiles reports whether the mode of a file tells who may read it.
const ownsFiles = false
