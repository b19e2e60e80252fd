package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/fault"
	"gakushoku/internal/store/files"
)

// errClosed is the error of a store after Close.
var errClosed = fault.Unavailable(errors.New("the store is closed"))

// failed wraps an error of using the file.
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

// explain classifies SQLite's errors. An error of the file or its disk is an infrastructure error, since the
// call may succeed once they are in order, and says what to do. A damaged table is projection.ErrDamaged.
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
	code := lite.Code() & 0xff
	if code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED {
		return fault.UnavailableFor(fmt.Errorf("%s: another process holds the file, try again: %w", path, err), time.Second)
	}
	disk := diskOf(filepath.Dir(path))
	advice := disk.advice(code)
	if advice == "" {
		return fmt.Errorf("%s: %w", path, err)
	}
	if k == tableFile && !disk.full && (code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB) {
		return fault.Unavailable(fmt.Errorf("%s: %w: %w", path, projection.ErrDamaged, err))
	}
	return fault.Unavailable(fmt.Errorf("%s: %s: %w", path, advice, err))
}

// disk is what may be wrong with the file's disk or folder, whatever SQLite reports.
type disk struct{ full, readOnly bool }

// fullBelow is the free space, in bytes, below which SQLite may be unable to read a file: it needs some space
// beside the file, and without it may take the file for damaged.
const fullBelow = 256 << 10

func diskOf(dir string) disk {
	if free, err := files.DiskFree(dir); err == nil && free < fullBelow {
		return disk{full: true}
	}
	file, err := os.CreateTemp(dir, ".gakushoku-")
	if err == nil {
		err = errors.Join(file.Close(), os.Remove(file.Name()))
	}
	return disk{full: errors.Is(err, syscall.ENOSPC), readOnly: errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)}
}

// advice says what to do about an error of SQLite; "" if the error does not concern the file or its disk.
func (d disk) advice(code int) string {
	advice := ""
	switch code {
	case sqlite3.SQLITE_FULL:
		return diskFull
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
	}
	switch {
	case advice == "":
	case d.full:
		return diskFull
	case d.readOnly && code != sqlite3.SQLITE_CORRUPT && code != sqlite3.SQLITE_NOTADB:
		return advice + "; the folder is read-only: to look at what is in it, copy all of it to where it can be written, and name the copy with --data"
	}
	return advice
}

const diskFull = "the disk is full, free some space and try again: the file itself need not be damaged"
