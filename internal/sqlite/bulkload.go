package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gakushoku/internal/fault"
	"gakushoku/internal/projection"
)

// load is a table version while parts go into it. Its write lock is what attempts at parts,
// of this process and of others, take turns by; the rows go past it.
type load struct {
	db     *database // the file of the table version
	dir    string    // of the parts' files
	filled string    // the file that Finish makes

	runBytes int // how many keys of each index an attempt keeps in memory
}

// loadDir is the folder of a table version's parts.
func (s *Tables) loadDir(t projection.Table) string { return filepath.Join(s.dir, t.String()+".load") }

// filledPath is the file that a bulk replay has filled. Where there is one it is the table, and
// the other file only says that the table exists.
func (s *Tables) filledPath(t projection.Table) string {
	return filepath.Join(s.dir, t.String()+".filled.db")
}

// loading calls f with a load of its own. What f returns is put into words; when the table was
// dropped meanwhile, that is ErrNoTable, though f has succeeded: its work is gone.
func (s *Tables) loading(ctx context.Context, t projection.Table, what string, f func(*load) error) error {
	l, err := s.openLoad(ctx, t)
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, t, err)
	}
	err = f(l)
	if info, gone := os.Stat(l.db.path); gone != nil || !os.SameFile(info, l.db.info) {
		if ctx.Err() == nil && (gone == nil || errors.Is(gone, fs.ErrNotExist)) {
			err = projection.ErrNoTable
			os.Remove(l.dir) //nolint:errcheck // left only if it was made after the drop, and then empty
		}
	}
	closed := l.db.close()
	switch {
	case err == nil:
		return l.db.failed(ctx, fmt.Sprintf("%s %s", what, t), closed)
	case ctx.Err() != nil:
		return fmt.Errorf("%s %s: %w", what, t, ctx.Err())
	case errors.Is(err, errInUse), errors.Is(err, projection.ErrNoTable), isTheirs(err):
		return fmt.Errorf("%s %s: %w", what, t, err)
	}
	return fmt.Errorf("%s %s: %w", what, t, explain(ctx, l.db.path, err))
}

// rowsError is an error of the part's own rows, which has nothing to do with files.
type rowsError struct{ error }

func (e rowsError) Unwrap() error { return e.error }

func isTheirs(err error) bool {
	var theirs rowsError
	return errors.As(err, &theirs)
}

func (s *Tables) openLoad(ctx context.Context, t projection.Table) (*load, error) {
	s.mu.Lock()
	err := s.check(ctx, t)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	db, err := openExisting(ctx, s.path(t), tableFile, tableSchema)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, projection.ErrNoTable
	}
	if err != nil {
		return nil, err
	}
	return &load{db: db, dir: s.loadDir(t), filled: s.filledPath(t), runBytes: s.runBytes}, nil
}

// unused is errInUse when the table has rows, or was filled. It runs in a transaction.
func (l *load) unused(ctx context.Context) error {
	var rows bool
	if err := l.db.write.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM records)").Scan(&rows); err != nil {
		return err
	}
	filled, err := l.isFilled()
	if err == nil && (rows || filled) {
		return errInUse
	}
	return err
}

func (l *load) isFilled() (bool, error) {
	_, err := os.Stat(l.filled)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Finish is projection.Sink.
func (s *Tables) Finish(ctx context.Context, t projection.Table) error {
	return s.loading(ctx, t, "finishing", func(l *load) error {
		return l.db.transactPatiently(ctx, func() error { return l.finish(ctx) })
	})
}

// finish makes the file that is the table, unless it is there. It runs in a transaction, which
// writes nothing but keeps parts out.
func (l *load) finish(ctx context.Context) error {
	filled, err := l.isFilled()
	if err != nil {
		return err
	}
	if !filled {
		if _, err := l.db.write.ExecContext(ctx, partsSchema); err != nil {
			return err
		}
		parts, err := l.parts(ctx)
		if err != nil || len(parts) == 0 {
			return err
		}
		if err := l.assemble(ctx, parts); err != nil {
			return err
		}
	}
	return removeFolder(l.dir)
}

// removeFolder removes a folder at once: nobody gets to put something into it meanwhile.
func removeFolder(dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	trash, err := os.MkdirTemp(filepath.Dir(dir), ".trash-")
	if err != nil {
		return err
	}
	err = os.Rename(dir, filepath.Join(trash, "load"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, os.RemoveAll(trash))
}

// damaged says that files of a load are not as they were written.
func damaged(path string, why string) error {
	return fault.Unavailable(fmt.Errorf("%s: %s: the file is damaged, abandon this rebuild and start it again", path, why))
}
