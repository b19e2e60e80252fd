package embedded

import (
	"fmt"
	"os"
)

// readable returns a warning if other users may read the data folder, "" if they may not. What this program
// creates is private to its user, but it does not change an existing folder.
func (f *Folder) readable() string {
	info, err := os.Stat(f.Dir)
	if err != nil || info.Mode().Perm()&0o077 == 0 || !ownsFiles {
		return ""
	}
	return fmt.Sprintf("other users may look into %s (its mode is %04o): orders name people, so keep it to this user with `chmod 700 %s`", f.Dir, info.Mode().Perm(), f.Dir)
}
