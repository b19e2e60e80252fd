package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gakushoku/internal/engine/projection"
)

// loadSchema is the layout of a table that a bulk replay fills. Its rows have row ids in the order of
// insertion, so that rows of one day lie near each other. The indexes of parked rows and of tasks cost
// nothing for other rows.
const loadSchema = `
CREATE TABLE records (
  stream  TEXT NOT NULL,
  version INTEGER NOT NULL,
  writes  INTEGER NOT NULL,
  bucket  TEXT,
  sort    TEXT,
  parked  TEXT,
  due     INTEGER,
  task    TEXT,
  data    TEXT
) STRICT;` + parkedIndex + dueIndexes + totalsSchema + partsSchema

// loadIndexes are the indexes that Finish builds.
const loadIndexes = `
CREATE UNIQUE INDEX IF NOT EXISTS records_by_stream ON records (stream);` + placeIndex

const partsSchema = `
CREATE TABLE IF NOT EXISTS parts (
  name TEXT PRIMARY KEY,
  rows INTEGER NOT NULL
) STRICT, WITHOUT ROWID;`

const (
	loadPage      = 8192     // bytes: larger pages take more rows at once, but changing one row costs more
	loadMemory    = 8 << 20  // for pages on their way to the disk
	sortingMemory = 64 << 20 // for keys that are sorted for an index
)

// load is a table version while parts are put into it: the file beside the table version's, on a connection
// of its own.
type load struct {
	base, path, filled string
	db                 *sql.DB
	conn               *sql.Conn
}

// loadPath returns the path of the file that parts are put into.
func (s *Tables) loadPath(t projection.Table) string {
	return filepath.Join(s.dir, t.String()+".load.db")
}

// filledPath returns the name that Finish gives that file. If a file with that name exists, it is the table,
// and the other file only says that the table exists.
func (s *Tables) filledPath(t projection.Table) string {
	return filepath.Join(s.dir, t.String()+".filled.db")
}

// loading calls f with the load of a table version, which f opens. Callers in this process take turns. It
// wraps f's error; if the table was dropped meanwhile, it returns ErrNoTable, whatever f did.
func (s *Tables) loading(ctx context.Context, t projection.Table, what string, f func(*load) error) error {
	turn, err := s.turn(ctx, t)
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, t, err)
	}
	defer func() { <-turn }()
	l := &load{base: s.path(t), path: s.loadPath(t), filled: s.filledPath(t)}
	before, err := os.Stat(l.base)
	if err == nil {
		err = errors.Join(f(l), l.close())
		if now, gone := os.Stat(l.base); errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(gone, removeFile(ctx, l.path)) // f may have created it after the drop
		} else if gone == nil && !os.SameFile(before, now) {
			err = projection.ErrNoTable
		}
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, t, l.sorted(ctx, err))
	}
	return nil
}

// sorted interprets an error.
func (l *load) sorted(ctx context.Context, err error) error {
	_, filled, _ := l.progress()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, projection.ErrNoTable):
		return projection.ErrNoTable
	case filled, errors.Is(err, errInUse):
		// SQLite may report any error for a file that was renamed meanwhile.
		return errors.Join(errInUse, l.sweep(ctx))
	}
	return explain(ctx, l.path, tableFile, err)
}

// progress reports whether there is a load, and whether it was finished.
func (l *load) progress() (begun, filled bool, err error) {
	for path, found := range map[string]*bool{l.path: &begun, l.filled: &filled} {
		_, err := os.Stat(path)
		if *found = err == nil; err != nil && !errors.Is(err, fs.ErrNotExist) {
			return begun, filled, err
		}
	}
	return begun, filled, nil
}

// sweep removes files made by a process that did not know that the table was finished.
func (l *load) sweep(ctx context.Context) error {
	begun, filled, err := l.progress()
	if err == nil && begun && filled {
		err = removeFile(ctx, l.path)
	}
	return err
}

// turn waits until no other caller in this process uses the load. The caller must give the turn back.
func (s *Tables) turn(ctx context.Context, t projection.Table) (chan struct{}, error) {
	s.mu.Lock()
	err := s.check(ctx, t)
	turn := s.turns[t]
	if turn == nil && err == nil {
		turn = make(chan struct{}, 1)
		s.turns[t] = turn
	}
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case turn <- struct{}{}:
		return turn, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// open opens the file of a load, attaches the table version's file, and creates what is missing.
func (l *load) open(ctx context.Context) (err error) {
	settings := fmt.Sprintf("_pragma=page_size(%d)&_pragma=journal_mode(DELETE)&_pragma=synchronous(FULL)&_pragma=cache_size(-%d)", loadPage, loadMemory>>10)
	if l.db, err = sql.Open("sqlite", dsn(l.path, settings)); err != nil {
		return err
	}
	if l.conn, err = l.db.Conn(ctx); err != nil {
		return err
	}
	if _, err = l.conn.ExecContext(ctx, "ATTACH ? AS base", dsn(l.base, "mode=rw")); err != nil {
		return err
	}
	return l.transact(ctx, func() error { return prepareSchema(ctx, l.conn, tableFile, loadSchema, tableUpgrades) })
}

func (l *load) close() error {
	var errs []error
	if l.conn != nil {
		errs = append(errs, l.conn.Close())
	}
	if l.db != nil {
		errs = append(errs, l.db.Close())
	}
	return errors.Join(errs...)
}

// transact runs f in a transaction that excludes other processes. It waits for them until ctx ends. It
// returns errInUse for a load that was finished before its turn came, since the file has become the table.
// (SQLite does not write to a file that was moved or dropped.)
func (l *load) transact(ctx context.Context, f func() error) (err error) {
	for {
		if _, err = l.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); !isBusy(err) || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			// Without a transaction this fails, which does no harm.
			l.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") //nolint:errcheck
		}
	}()
	if _, filled := os.Stat(l.filled); !errors.Is(filled, fs.ErrNotExist) {
		return errors.Join(filled, errInUse)
	}
	if err := f(); err != nil {
		return err
	}
	_, err = l.conn.ExecContext(context.WithoutCancel(ctx), "COMMIT")
	return err
}

// publish gives the file its final name, inside a transaction, so that no other process has one under way,
// whose journal would no longer find the file.
func (l *load) publish() error {
	if err := os.Rename(l.path, l.filled); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(l.filled))
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
