package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os/user"
	"strconv"
)

// ErrOtherUser says that a data folder is another user's, and that this one may write there all
// the same. Files that root makes in it (a table version, a day's folder of segments) the
// server of the folder's owner cannot write, so a rebuild by sudo would make the lists stand still.
var ErrOtherUser = errors.New("the data folder is another user's")

// checkOwner refuses root a folder that is not root's; what is the marker of the folder. Anybody
// else is kept out by the permissions of its files.
func checkOwner(dir string, what fs.FileInfo, euid int) error {
	owner, known := ownerOf(what)
	if !known || euid != 0 || owner == 0 {
		return nil
	}
	name := "#" + strconv.Itoa(owner) // as sudo takes a number
	if found, err := user.LookupId(strconv.Itoa(owner)); err == nil {
		name = found.Username
	}
	return fmt.Errorf("%w: a server of %s could not write what root makes in %s: run this as that user, `sudo -u '%s' gakushoku ... --data %s`, or, to go on as root for good, first `chown -R root %s`",
		ErrOtherUser, name, dir, name, dir, dir)
}
