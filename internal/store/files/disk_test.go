package files_test

import (
	"testing"

	"gakushoku/internal/store/files"
)

func TestDiskFree(t *testing.T) {
	t.Parallel()
	if n, err := files.DiskFree(t.TempDir()); err != nil || n == 0 {
		t.Errorf("%d %v", n, err)
	}
	if _, err := files.DiskFree("/no/such/folder"); err == nil {
		t.Error("a folder that does not exist has free space")
	}
}
