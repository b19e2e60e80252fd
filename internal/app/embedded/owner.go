package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os/user"
	"strconv"
)

// ErrOtherUser means that a data folder belongs to another user, although this user may write to it. The
// server of the folder's owner could not write to files that root creates in it (a table version, a day's
// folder of segments), so the lists would stop being updated after a rebuild with sudo.
var ErrOtherUser = errors.New("the data folder is another user's")

// checkOwner refuses root a folder that is not root's. what is the folder's marker. The permissions of the
// files keep other users out.
func checkOwner(dir string, what fs.FileInfo, euid int) error {
	owner, known := ownerOf(what)
	if !known || euid != 0 || owner == 0 {
		return nil
	}
	name := "#" + strconv.Itoa(owner) // sudo accepts a number in this form
	if found, err := user.LookupId(strconv.Itoa(owner)); err == nil {
		name = found.Username
	}
	return fmt.Errorf("%w: a server of %s could not write what root makes in %s: run this as that user, `sudo -u '%s' gakushoku ... --data %s`, or, to go on as root for good, first `chown -R root %s`",
		ErrOtherUser, name, dir, name, dir, dir)
}
