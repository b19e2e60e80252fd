// Package sqlite keeps events, rows and control records in SQLite files, so that the whole
// system runs in one process and one folder. It is the embedded twin of package dynamo and
// passes the same contract suites. Several processes may open the same files at once: what
// is right never depends on a lock inside this process, only on SQLite's own.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"gakushoku/internal/fault"
)

// The kinds of files, as SQLite's application_id: a file of another kind is refused.
const (
	eventsFile  = 0x67616b01
	tableFile   = 0x67616b02
	controlFile = 0x67616b03
)

// formatVersion is the user_version of the files that this program writes.
const formatVersion = 1

// busyTimeout is how long a statement waits for another process's transaction.
const busyTimeout = 5 * time.Second

// database is one SQLite file: a single connection that writes, so that writers queue here
// instead of failing inside SQLite, and a pool of connections that only read.
type database struct {
	path  string
	write *sql.DB
	read  *sql.DB
}

// open opens or creates the file at path and makes its tables.
func open(ctx context.Context, path string, kind int, synchronous, schema string) (*database, error) {
	write, err := connect(path, synchronous, 1, false)
	if err != nil {
		return nil, err
	}
	if err := prepare(ctx, write, kind, schema); err != nil {
		return nil, errors.Join(fmt.Errorf("opening %s: %w", path, explain(ctx, err)), write.Close())
	}
	read, err := connect(path, synchronous, 4, true)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	return &database{path: path, write: write, read: read}, nil
}

func connect(path, synchronous string, connections int, readOnly bool) (*sql.DB, error) {
	dsn := fmt.Sprintf("file:%s?_pragma=busy_timeout(%d)&_pragma=journal_mode(WAL)&_pragma=synchronous(%s)&_pragma=cache_size(-16000)&_txlock=immediate",
		escapePath(path), busyTimeout.Milliseconds(), synchronous)
	if readOnly {
		dsn += "&_pragma=query_only(1)"
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// escapePath keeps characters that mean something in a file: URI out of it.
func escapePath(path string) string {
	escaped := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		switch c := path[i]; c {
		case '?', '#', '%':
			escaped = fmt.Appendf(escaped, "%%%02X", c)
		default:
			escaped = append(escaped, c)
		}
	}
	return string(escaped)
}

// prepare refuses a file that is not ours and makes the tables of a new one.
func prepare(ctx context.Context, db *sql.DB, kind int, schema string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	var application, version, objects int
	if err := tx.QueryRowContext(ctx, "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_master)").Scan(&application, &version, &objects); err != nil {
		return err
	}
	switch {
	case application == kind && version > formatVersion:
		return fmt.Errorf("the file has format %d, this program knows %d: use a newer gakushoku", version, formatVersion)
	case application == kind:
		return nil
	case application != 0 || objects > 0:
		return errors.New("the file is a database of another program: choose another folder")
	}
	setup := fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=%d; %s", kind, formatVersion, schema)
	if _, err := tx.ExecContext(ctx, setup); err != nil {
		return err
	}
	return tx.Commit()
}

func (d *database) close() error { return errors.Join(d.read.Close(), d.write.Close()) }

// explain sorts SQLite's errors: what a new try may cure is infra, and what an operator has
// to mend says how.
func explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var lite *sqlite.Error
	if !errors.As(err, &lite) {
		if errors.Is(err, os.ErrPermission) {
			return fault.Unavailable(err)
		}
		return err
	}
	switch lite.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fault.UnavailableFor(fmt.Errorf("the database is busy: %w", err), time.Second)
	case sqlite3.SQLITE_FULL:
		return fault.Unavailable(fmt.Errorf("the disk is full, free some space: %w", err))
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN:
		return fault.Unavailable(fmt.Errorf("the folder or file cannot be written, check its permissions: %w", err))
	case sqlite3.SQLITE_IOERR:
		return fault.Unavailable(fmt.Errorf("reading or writing the disk failed: %w", err))
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("the file is damaged or not a database, restore it from a backup: %w", err)
	}
	return err
}
