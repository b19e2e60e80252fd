//go:build unix

package files

import (
	"errors"
	"os"
)

// syncFolder lets the names in a folder reach the disk.
func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
