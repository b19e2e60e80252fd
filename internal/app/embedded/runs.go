package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gakushoku/internal/engine/rebuild"
)

// runs reports whether runs are in progress: a run's process holds a lock that ends with it.
type runs struct{ dir string }

// Running implements rebuild.Runs.
func (r runs) Running(_ context.Context, runID string) (bool, error) {
	found, err := filepath.Glob(filepath.Join(logFolder(r.dir), "runs", "*", runID, runLock))
	if err != nil || len(found) == 0 {
		return false, err
	}
	file, err := os.Open(found[0])
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // it has ended in the meantime
	}
	if err != nil {
		return false, fmt.Errorf("asking after run %s: %w", runID, err)
	}
	defer file.Close() //nolint:errcheck // nothing was written
	return !locks || tryLock(file) != nil, nil
}

// lockRuns prevents other runs of a projection.
func lockRuns(dir, projection string) (unlock func(), err error) {
	runs := filepath.Join(logFolder(dir), "runs", projection)
	if err := os.MkdirAll(runs, 0o700); err != nil {
		return nil, fmt.Errorf("locking the data folder for a rebuild: %w", err)
	}
	unlock, err = lockDir(runs)
	if errors.Is(err, errLocked) {
		err = fmt.Errorf("%w: another rebuild of %s is going on in %s: wait for it, or stop it first", rebuild.ErrRefused, projection, dir)
	}
	return unlock, err
}

// runLock is the file of a run that its process keeps locked.
const runLock = "lock"

// beginRun locks a run for this process. It leaves no trace if the run leaves none.
func beginRun(ctx context.Context, dir, projection, runID string) (over func(), err error) {
	folder := filepath.Join(logFolder(dir), "runs", projection, runID)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("locking run %s: %w", runID, err)
	}
	path := filepath.Join(folder, runLock)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking run %s: %w", runID, err)
	}
	// A process that checks the run holds the lock for a moment.
	if err := patiently(ctx, func() error { return tryLock(file) }); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: run %s of %s is going on in another process", rebuild.ErrRefused, runID, projection), file.Close())
	}
	return func() {
		file.Close()      //nolint:errcheck // nothing was written
		os.Remove(path)   //nolint:errcheck // it would only show that no process works on the run
		os.Remove(folder) //nolint:errcheck // fails if the run has left files
	}, nil
}
