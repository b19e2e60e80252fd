package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gakushoku/internal/wait"
)

// claimFolder locks the folder for a server. A rebuild takes the lock for a moment, to see
// whether there is a server, so once is not enough.
func claimFolder(ctx context.Context, dir string) (unlock func(), err error) {
	err = patiently(ctx, func() error {
		unlock, err = lockFolder(dir)
		return err
	})
	return unlock, err
}

// patiently tries to take a lock that others take for a moment only.
func patiently(ctx context.Context, take func() error) error {
	var err error
	for range 5 {
		if err = take(); err == nil {
			return nil
		}
		if err := wait.For(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return err
}

// lockFolder keeps a second server off the folder: two would rotate each other's log away.
func lockFolder(dir string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(dir, "serve.lock"), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("locking the data folder: %w", err)
	}
	if err := tryLock(file); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is being served by another process: stop it first, or choose another --data folder", dir), file.Close())
	}
	return func() { file.Close() }, nil
}
