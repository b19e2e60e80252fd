//go:build !unix

package embedded

import "io/fs"

// ownerOf does not know: there is no user here who may write everywhere.
func ownerOf(fs.FileInfo) (uid int, known bool) { return 0, false }

// fileID does not know a name that is good for another process.
func fileID(fs.FileInfo) string { return "" }

// ownsFiles reports that the mode of a file says who may read it.
const ownsFiles = false
