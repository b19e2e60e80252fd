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

// Tables stores each table version in a file of its own, such as loans-v1.db. Dropping one only removes a
// file, and writing a building version never delays the active one.
type Tables struct {
	dir string

	mu     sync.Mutex
	open   map[projection.Table]*tableVersion
	left   map[projection.Table]*database     // overwritten in place; see whatWasLeft
	turns  map[projection.Table]chan struct{} // see turn
	closed bool
}

var (
	_ projection.Store   = (*Tables)(nil)
	_ projection.Counter = (*Tables)(nil)
)

// OpenTables returns the table versions in a folder, which is made when the first one is created. Files are
// opened when needed. Close the store after use.
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

// Replaced closes every open table version whose file is no longer the one at its path, and returns
// ErrReplaced for each. The next use opens the file that is there. A dropped version is among them: only the
// pointer tells it from one that was removed by hand.
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

// check refuses tables whose name would lead out of the folder.
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

// Create implements projection.Tables.
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

// Drop implements projection.Tables. It removes the main file first: from then on the table does not exist,
// whatever becomes of the files beside it.
func (s *Tables) Drop(ctx context.Context, t projection.Table) error {
	open, err := s.remove(ctx, t)
	if open != nil {
		// A bulk part may be under way; other tables must not wait for it.
		err = errors.Join(err, open.db.close())
	}
	if err != nil {
		return fmt.Errorf("dropping %s: %w", t, err)
	}
	return nil
}

// remove removes the files of a table version. It returns the open file, if any, which the caller must close.
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

// removeLoad removes the files of a bulk replay.
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

// whatWasLeft fails if a table's file was overwritten in place while it was open here. The table can be used
// again when the file has been removed or replaced, or by another process. Our connections to the file stay
// open, so that SQLite does not write over its new content; they hold locks that new connections of ours
// would wait for in vain. The caller holds mu.
func (s *Tables) whatWasLeft(t projection.Table, info fs.FileInfo) error {
	left, ok := s.left[t]
	if !ok || info == nil || !os.SameFile(info, left.place.file) {
		return nil
	}
	return left.look()
}

// opened returns the open file of a table version. Another process may have dropped, recreated or filled the
// file; an open file that its name no longer leads to counts as missing. The caller holds mu.
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
		// The process that dropped it may have died half-way.
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

// find returns the file that holds a table version; info is nil if the table does not exist.
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

// with calls f with the file of a table version. It wraps f's error; if the table was dropped meanwhile, it
// returns ErrNoTable.
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
