package embedded

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/fault/retry"
)

// claimFolder locks the folder for a server. It retries, since a rebuild takes the lock for a moment to check
// whether there is a server.
func claimFolder(ctx context.Context, dir string) (unlock func(), err error) {
	err = patiently(ctx, func() error {
		unlock, err = lockFolder(dir)
		return err
	})
	return unlock, err
}

// patiently retries taking a lock that others hold only for a moment.
func patiently(ctx context.Context, take func() error) error {
	return retry.Do(ctx, retry.Policy{Tries: 5, First: 20 * time.Millisecond}, func() (bool, error) {
		err := take()
		return err != nil, err
	})
}

// lockFolder prevents a second server on the folder: two would rotate each other's log files away. Where
// possible it locks the folder itself, so that the lock follows a renamed folder and there is no lock file
// to be removed.
func lockFolder(dir string) (unlock func(), err error) {
	unlock, err = lockDir(dir)
	if errors.Is(err, errLocked) {
		err = fmt.Errorf("%s is being served by another process: stop it first, or choose another --data folder", dir)
	}
	return unlock, err
}

// errLocked means that another process, or another component of this one, holds a lock.
var errLocked = errors.New("the folder is locked")

// lockDir locks an existing folder, or fails with errLocked.
func lockDir(dir string) (unlock func(), err error) {
	file, err := openLock(dir)
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	if err := tryLock(file); err != nil {
		return nil, errors.Join(errLocked, file.Close())
	}
	return func() { file.Close() }, nil
}

// isServed reports whether a server has the folder.
func isServed(dir string) bool {
	unlock, err := lockDir(dir)
	if err != nil {
		return errors.Is(err, errLocked)
	}
	unlock()
	return !locks
}
