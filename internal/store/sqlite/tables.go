package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"gakushoku/internal/engine/projection"
)

// Tables keeps each table version in a file of its own, such as loans-v1.db: dropping one is
// removing a file, and a version that is being built never waits for one that is served.
type Tables struct {
	dir string

	mu     sync.Mutex
	open   map[projection.Table]*tableVersion
	left   map[projection.Table]*database     // that were overwritten in place, see left
	turns  map[projection.Table]chan struct{} // see turn
	closed bool
}

var _ projection.Store = (*Tables)(nil)

// OpenTables keeps table versions in a folder, which is made when the first one is created. Files
// are opened when they are needed. Close it.
func OpenTables(dir string) *Tables {
	return &Tables{dir: dir, open: map[projection.Table]*tableVersion{}, left: map[projection.Table]*database{}, turns: map[projection.Table]chan struct{}{}}
}

// Close closes every file.
func (s *Tables) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var errs []error
	for t, v := range s.open {
		errs = append(errs, v.db.close())
		delete(s.open, t)
	}
	return errors.Join(errs...)
}

// Replaced closes every open table version that is no longer the one at its path, and returns
// ErrReplaced for each. Whoever needs one next finds what is there. A dropped version is among
// them: only the pointer tells it from one that was removed by hand.
func (s *Tables) Replaced() map[projection.Table]error {
	s.mu.Lock()
	defer s.mu.Unlock()
	replaced := map[projection.Table]error{}
	for t, v := range s.open {
		if err := v.db.look(); errors.Is(err, ErrReplaced) {
			replaced[t] = errors.Join(err, s.forget(t))
		}
	}
	return replaced
}

func (s *Tables) path(t projection.Table) string { return filepath.Join(s.dir, t.String()+".db") }

// check refuses what cannot be used: a name that would lead out of the folder.
func (s *Tables) check(ctx context.Context, t projection.Table) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case s.closed:
		return errClosed
	case !filepath.IsLocal(t.String()) || filepath.Base(t.String()) != t.String():
		return errors.New("a projection's name must be good for a file")
	}
	return nil
}

// Create is projection.Tables.
func (s *Tables) Create(ctx context.Context, t projection.Table) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.check(ctx, t)
	if err == nil {
		_, err = s.opened(ctx, t, true)
	}
	if err != nil {
		return fmt.Errorf("creating %s: %w", t, err)
	}
	return nil
}

// Drop is projection.Tables. The file goes first: from then on the table is not there,
// whatever becomes of the files beside it.
func (s *Tables) Drop(ctx context.Context, t projection.Table) error {
	open, err := s.remove(ctx, t)
	if open != nil {
		// A bulk part may be under way, for which the other tables must not wait.
		err = errors.Join(err, open.db.close())
	}
	if err != nil {
		return fmt.Errorf("dropping %s: %w", t, err)
	}
	return nil
}

// remove removes the files of a table version. What was open of it is left to be closed.
func (s *Tables) remove(ctx context.Context, t projection.Table) (open *tableVersion, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(ctx, t); err != nil {
		return nil, err
	}
	open = s.open[t]
	delete(s.open, t)
	return open, errors.Join(removeFile(ctx, s.path(t)), s.removeLoad(ctx, t))
}

// removeLoad removes what a bulk replay has made.
func (s *Tables) removeLoad(ctx context.Context, t projection.Table) error {
	return errors.Join(removeFile(ctx, s.loadPath(t)), removeFile(ctx, s.filledPath(t)))
}

// removeFile removes a database, if it is there.
func removeFile(ctx context.Context, path string) error {
	var errs []error
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, explain(ctx, path, tableFile, err))
		}
	}
	return errors.Join(errs...)
}

// forget closes the file of a table version, if it is open. The caller holds mu.
func (s *Tables) forget(t projection.Table) error {
	v, ok := s.open[t]
	if !ok {
		return nil
	}
	delete(s.open, t)
	err := v.db.close()
	if v.db.place.occupied {
		s.left[t] = v.db
	}
	return err
}

// whatWasLeft fails when a table's file was overwritten in place while it was open here: it can be
// used again when it was removed or replaced, or by another process. Our connections to it stay
// open, so that nothing is written over what was put there, and hold locks that new ones of ours
// would wait for in vain. The caller holds mu.
func (s *Tables) whatWasLeft(t projection.Table, info fs.FileInfo) error {
	left, ok := s.left[t]
	if !ok || info == nil || !os.SameFile(info, left.place.file) {
		return nil
	}
	return left.look()
}

// opened is the open file of a table version. Another process may have dropped the file, made
// it anew or filled it: an open one that its name no longer leads to counts as not there. The
// caller holds mu.
func (s *Tables) opened(ctx context.Context, t projection.Table, create bool) (*tableVersion, error) {
	path, info, err := s.find(ctx, t)
	if err != nil {
		return nil, err
	}
	if v, ok := s.open[t]; ok {
		if info != nil && os.SameFile(info, v.db.place.file) && !v.db.replaced() {
			return v, nil
		}
		if err := s.forget(t); err != nil {
			return nil, explain(ctx, path, tableFile, err)
		}
	}
	if err := s.whatWasLeft(t, info); err != nil {
		return nil, err
	}
	if info == nil {
		if !create {
			return nil, projection.ErrNoTable
		}
		if err := os.Mkdir(s.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, explain(ctx, s.dir, tableFile, err)
		}
		// Whoever dropped it may have died in the middle.
		if err := s.removeLoad(ctx, t); err != nil {
			return nil, err
		}
	}
	v, err := openTableVersion(ctx, path, info == nil)
	switch {
	case err == nil:
		s.open[t] = v
	case errors.Is(err, fs.ErrNotExist):
		err = projection.ErrNoTable // it was dropped just now
	}
	return v, err
}

// find tells which file holds a table version; info is nil when the table is not there.
func (s *Tables) find(ctx context.Context, t projection.Table) (path string, info fs.FileInfo, err error) {
	path = s.path(t)
	info, err = os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil, nil
	}
	if err == nil {
		var filled fs.FileInfo
		if filled, err = os.Stat(s.filledPath(t)); err == nil {
			return s.filledPath(t), filled, nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			return path, info, nil
		}
	}
	return path, nil, explain(ctx, path, tableFile, err)
}

// with calls f with the file of a table version. What f returns is put into words; when the
// table was dropped meanwhile, that is ErrNoTable.
func (s *Tables) with(ctx context.Context, t projection.Table, what string, f func(*tableVersion) error) error {
	v, err := s.get(ctx, t)
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, t, err)
	}
	if err = f(v); err == nil {
		return nil
	}
	if ctx.Err() == nil && !errors.Is(err, projection.ErrNoRecord) {
		another, gone := s.get(ctx, t)
		switch {
		case errors.Is(gone, projection.ErrNoTable):
			err = gone
		case gone == nil && another != v:
			// The file was closed because another one has become the table.
			v, err = another, f(another)
		}
	}
	if errors.Is(err, projection.ErrNoTable) || errors.Is(err, projection.ErrNoRecord) {
		return fmt.Errorf("%s %s: %w", what, t, err)
	}
	return v.db.failed(ctx, fmt.Sprintf("%s %s", what, t), err)
}

func (s *Tables) get(ctx context.Context, t projection.Table) (*tableVersion, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(ctx, t); err != nil {
		return nil, err
	}
	return s.opened(ctx, t, false)
}
