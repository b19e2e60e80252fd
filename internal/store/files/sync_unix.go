//go:build unix

package files

import (
	"errors"
	"os"
)

// syncFolder syncs the names in a folder.
func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
