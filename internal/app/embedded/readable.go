package embedded

import (
	"fmt"
	"os"
)

// readable says that others than the owner may look into the data folder, "" when they may not.
// What this program makes is for its user alone; a folder that was there is left as it is.
func (f *Folder) readable() string {
	info, err := os.Stat(f.Dir)
	if err != nil || info.Mode().Perm()&0o077 == 0 || !ownsFiles {
		return ""
	}
	return fmt.Sprintf("other users may look into %s (its mode is %04o): orders name people, so keep it to this user with `chmod 700 %s`", f.Dir, info.Mode().Perm(), f.Dir)
}
