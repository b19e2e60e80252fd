package embedded

import (
	"fmt"
	"os"
)

// readable warns when other users may read the data folder; "" when they may not. What this program
// creates is for its user alone; an existing folder is left as it is.
func (f *Folder) readable() string {
	info, err := os.Stat(f.Dir)
	if err != nil || info.Mode().Perm()&0o077 == 0 || !ownsFiles {
		return ""
	}
	return fmt.Sprintf("other users may look into %s (its mode is %04o): orders name people, so keep it to this user with `chmod 700 %s`", f.Dir, info.Mode().Perm(), f.Dir)
}
