package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"gakushoku/internal/projection"
)

// Tables keeps each table version in a file of its own, such as orders-v1.db: dropping one is
// removing a file, and a version that is being built never waits for one that is served.
type Tables struct {
	dir string

	mu     sync.Mutex
	open   map[projection.Table]*tableVersion
	closed bool
}

var _ projection.Store = (*Tables)(nil)

// OpenTables keeps table versions in a folder, which must exist. Files are opened when they
// are needed. Close it.
func OpenTables(dir string) *Tables {
	return &Tables{dir: dir, open: map[projection.Table]*tableVersion{}}
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
	var errs []error
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(s.path(t) + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, explain(ctx, s.path(t), err))
		}
	}
	return open, errors.Join(errs...)
}

// forget closes the file of a table version, if it is open. The caller holds mu.
func (s *Tables) forget(t projection.Table) error {
	v, ok := s.open[t]
	if !ok {
		return nil
	}
	delete(s.open, t)
	return v.db.close()
}

// opened is the open file of a table version. Another process may have dropped the file, or
// made it anew: an open one that its name no longer leads to counts as not there. The caller
// holds mu.
func (s *Tables) opened(ctx context.Context, t projection.Table, create bool) (*tableVersion, error) {
	info, err := os.Stat(s.path(t))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, explain(ctx, s.path(t), err)
	}
	if v, ok := s.open[t]; ok {
		if err == nil && os.SameFile(info, v.db.info) {
			return v, nil
		}
		if err := s.forget(t); err != nil {
			return nil, explain(ctx, s.path(t), err)
		}
	}
	if err != nil && !create {
		return nil, projection.ErrNoTable
	}
	v, err := openTableVersion(ctx, s.path(t), info == nil)
	switch {
	case err == nil:
		s.open[t] = v
	case errors.Is(err, fs.ErrNotExist):
		err = projection.ErrNoTable // it was dropped just now
	}
	return v, err
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
		if _, again := s.get(ctx, t); errors.Is(again, projection.ErrNoTable) {
			err = again
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
