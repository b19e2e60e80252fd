package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"gakushoku/internal/fault"
	"gakushoku/internal/projection"
)

// errClosed is the answer of a store after Close.
var errClosed = fault.Unavailable(errors.New("the store is closed"))

// failed is the error of something that was tried with the file.
func (d *database) failed(ctx context.Context, what string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", what, ctx.Err())
	case d.closed.Load():
		return fmt.Errorf("%s: %w", what, errClosed)
	case errors.Is(err, ErrReplaced):
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, explain(ctx, d.path, d.kind, err))
}

func isBusy(err error) bool {
	var lite *sqlite.Error
	return errors.As(err, &lite) && (lite.Code()&0xff == sqlite3.SQLITE_BUSY || lite.Code()&0xff == sqlite3.SQLITE_LOCKED)
}

// explain sorts SQLite's errors. What concerns the file or its disk is infra, since the call
// may succeed once they are in order, and says what to do. A damaged table is projection.ErrDamaged.
func explain(ctx context.Context, path string, k kind, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var lite *sqlite.Error
	if !errors.As(err, &lite) {
		err = fmt.Errorf("%s: %w", path, err)
		var file *fs.PathError
		if errors.As(err, &file) {
			return fault.Unavailable(err)
		}
		return err
	}
	advice, code := "", lite.Code()&0xff
	switch code {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fault.UnavailableFor(fmt.Errorf("%s: another process holds the file, try again: %w", path, err), time.Second)
	case sqlite3.SQLITE_FULL:
		advice = "the disk is full, free some space"
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		advice = "the file or its folder cannot be written, check their permissions"
	case sqlite3.SQLITE_CANTOPEN:
		advice = "the file cannot be opened or made, check that its folder is there and may be written"
	case sqlite3.SQLITE_IOERR:
		advice = "the disk cannot be read or written, check it and the space left"
	case sqlite3.SQLITE_CORRUPT:
		advice = "the file is damaged, restore it from a backup"
	case sqlite3.SQLITE_NOTADB:
		advice = "this is not a database or it is damaged, choose another folder or restore it from a backup"
	default:
		return fmt.Errorf("%s: %w", path, err)
	}
	if k == tableFile && (code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB) {
		return fault.Unavailable(fmt.Errorf("%s: %w: %w", path, projection.ErrDamaged, err))
	}
	return fault.Unavailable(fmt.Errorf("%s: %s: %w", path, advice, err))
}
