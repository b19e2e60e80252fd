// Package sqlite stores events, rows and control records in SQLite files, so that the whole system runs in
// one process and one folder. It is the embedded counterpart of package dynamo and passes the same contract
// suites. Several processes may open the same files at once: correctness never depends on a lock inside this
// process, only on SQLite's own.
//
// Every file is in WAL mode with synchronous=FULL: readers never wait for the writer, and acknowledged writes
// survive a power failure. That applies to rows too, although they could be rebuilt: the projector's
// checkpoint promises that events before it are in the rows, and rows lost from before it would never be
// written again.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/retry"
)

// kind is a kind of file, by its application_id. A file of another kind is refused.
type kind int32

const (
	eventsFile  kind = 0x67616b01 // "gak", and a number
	tableFile   kind = 0x67616b02
	controlFile kind = 0x67616b03
	ledgerFile  kind = 0x67616b04
	// subjectsFile has the keys of subjects.
	subjectsFile kind = 0x67616b05
)

const (
	busyTimeout = 5 * time.Second      // how long to wait for another process's transaction
	busyLook    = 2 * time.Millisecond // how often to check whether it has ended
	firstLook   = 100 * time.Millisecond
	readers     = 4 // connections that read
)

// database is one SQLite file: one connection that writes, so that writers queue here instead of failing
// inside SQLite, and a pool of connections that only read.
type database struct {
	path   string
	kind   kind
	place  place // of the file that was opened, since its name may come to mean another
	read   *sql.DB
	pool   *sql.DB       // of the writing connection
	write  *sql.Conn     // held until close; used under lock only
	lock   chan struct{} // full while a writer is active
	closed atomic.Bool

	leaving func() error // called before the writing connection is closed; may be nil

	begin, commit, rollback *sql.Stmt
	written                 []*sql.Stmt // all statements prepared on write
}

// open opens or creates the file at path, with the tables of schema. A file's format, its user_version,
// counts from 1; each of the upgrades brings a file to the next format, in order.
func open(ctx context.Context, path string, k kind, schema string, upgrades ...string) (*database, error) {
	d := &database{path: path, kind: k, lock: make(chan struct{}, 1)}
	err := d.open(ctx, "mode=rwc", k, schema, upgrades)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening %w", explain(ctx, path, k, err)), d.close())
	}
	return d, nil
}

// openExisting is open for an existing file; it fails with fs.ErrNotExist if there is none, even if it was
// removed only just now.
func openExisting(ctx context.Context, path string, k kind, schema string, upgrades ...string) (*database, error) {
	before, err := os.Stat(path)
	d := &database{path: path, kind: k, lock: make(chan struct{}, 1)}
	if err == nil {
		err = d.open(ctx, "mode=rw", k, schema, upgrades)
	}
	if err != nil || !os.SameFile(before, d.place.file) {
		if now, gone := os.Stat(path); gone != nil || before != nil && !os.SameFile(before, now) {
			err = fmt.Errorf("%s: %w", path, fs.ErrNotExist)
		}
		return nil, errors.Join(fmt.Errorf("opening %w", explain(ctx, path, k, err)), d.close())
	}
	return d, nil
}

func (d *database) open(ctx context.Context, mode string, k kind, schema string, upgrades []string) error {
	if _, err := identify(ctx, d.path, k, 1+len(upgrades)); err != nil {
		return err
	}
	if err := d.connect(ctx, mode); err != nil {
		return err
	}
	if err := d.transact(ctx, func() error { return prepareSchema(context.Background(), d.write, k, schema, upgrades) }); err != nil {
		return err
	}
	return d.settle()
}

// identify refuses a file of another kind before changing it. It returns the format of the file, 0 if it is
// new.
func identify(ctx context.Context, path string, k kind, newest int) (format int, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist) || err == nil && info.Mode().IsRegular() && info.Size() == 0:
		return 0, nil
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular() && k == tableFile:
		return 0, fault.Unavailable(fmt.Errorf("%w: this is no file", projection.ErrDamaged))
	case !info.Mode().IsRegular():
		return 0, errors.New("this is no file: choose another path")
	}
	db, err := sql.Open("sqlite", dsn(path, "mode=rw"))
	if err != nil {
		return 0, err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := keepLog(conn, true); err != nil {
		return 0, err
	}
	return checkIdentity(func(query string) *sql.Row { return conn.QueryRowContext(ctx, query) }, k, newest)
}

// checkIdentity returns the format of the file, 0 if it is new. It fails for a file of another kind, or in a
// format newer than newest.
func checkIdentity(query func(string) *sql.Row, k kind, newest int) (format int, err error) {
	var application, version, objects int64
	row := query("SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_master)")
	if err := row.Scan(&application, &version, &objects); err != nil {
		return 0, err
	}
	switch {
	case application == 0 && version == 0 && objects == 0:
		return 0, nil
	case application != int64(k):
		return 0, errors.New("this is a database of another kind or program: choose another folder")
	case version > int64(newest):
		return 0, fmt.Errorf("the file has format %d, this program knows %d: use a newer gakushoku", version, newest)
	}
	return int(version), nil
}

// connect opens the connections; mode says whether the file may be created.
func (d *database) connect(ctx context.Context, mode string) error {
	// A new file keeps note of what uses each page, so that Tidy can give free ones back; that must be said first.
	const settings = "_pragma=auto_vacuum(2)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=cache_size(-16000)&_pragma=journal_size_limit(67108864)"
	var err error
	if d.pool, err = sql.Open("sqlite", dsnWaiting(d.path, firstLook, settings+"&"+mode)); err != nil {
		return err
	}
	if d.write, err = d.firstConn(ctx); err != nil {
		return err
	}
	if err := d.keepLog(true); err != nil {
		return err
	}
	var journal string
	if err := d.write.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&journal); err != nil {
		return err
	}
	if journal != "wal" {
		return fmt.Errorf("the file system cannot share memory between processes (journal mode is %s, not wal): choose a local disk", journal)
	}
	for into, text := range map[**sql.Stmt]string{&d.begin: "BEGIN IMMEDIATE", &d.commit: "COMMIT", &d.rollback: "ROLLBACK"} {
		if err := d.preparedToWrite(ctx, into, text); err != nil {
			return err
		}
	}
	// Connections that read come and go. One that is opened after the file was removed must not create it
	// again: mode=rw.
	if d.read, err = d.openPool(dsn(d.path, settings+"&_pragma=cache_size(-4000)&_pragma=query_only(1)&mode=rw")); err != nil {
		return err
	}
	d.read.SetMaxOpenConns(readers)
	d.read.SetMaxIdleConns(readers)
	return nil
}

// firstConn opens the first connection. Turning WAL on requires exclusive use of the file; SQLite does not
// always wait for that when two processes create the file at once, and ignores ctx where it does wait.
func (d *database) firstConn(ctx context.Context) (conn *sql.Conn, err error) {
	err = retry.Do(ctx, retry.Policy{Within: busyTimeout, First: firstLook}, func() (bool, error) {
		conn, err = d.pool.Conn(ctx)
		return isBusy(err), err
	})
	if err == nil {
		_, err = conn.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout=%d", busyTimeout.Milliseconds()))
	}
	return conn, err
}

// prepareSchema creates the tables of a new file, and upgrades an older one. It runs in a transaction, since
// another process may do the same.
func prepareSchema(ctx context.Context, conn *sql.Conn, k kind, schema string, upgrades []string) error {
	newest := 1 + len(upgrades)
	format, err := checkIdentity(func(query string) *sql.Row { return conn.QueryRowContext(ctx, query) }, k, newest)
	if err != nil || format == newest {
		return err
	}
	changes := schema
	if format > 0 {
		changes = strings.Join(upgrades[format-1:], "\n")
	}
	_, err = conn.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=%d; %s", k, newest, changes))
	return err
}

// dsn returns the driver's name of a file, with settings as URI parameters.
func dsn(path, settings string) string { return dsnWaiting(path, busyTimeout, settings) }

// dsnWaiting is dsn for connections that wait that long for others.
func dsnWaiting(path string, patience time.Duration, settings string) string {
	escaped := strings.NewReplacer("%", "%25", "?", "%3F", "#", "%23").Replace(path)
	return fmt.Sprintf("file:%s?_busy_timeout=%d&%s", escaped, patience.Milliseconds(), settings)
}

// close closes the connections after the transaction under way. It may be called again, and on a database
// that was only partly opened. SQLite then moves the write-ahead log into the file, unless the path leads to
// another one; if the file was overwritten in place, the connections are left open until the process ends.
func (d *database) close() error {
	if d.closed.Swap(true) {
		return nil
	}
	d.lock <- struct{}{}
	defer func() { <-d.lock }()
	if errors.Is(d.look(), ErrReplaced) {
		d.letGo()
		if d.place.occupied {
			return nil
		}
	}
	var errs []error
	if d.read != nil {
		errs = append(errs, d.read.Close())
	}
	for _, statement := range d.written {
		errs = append(errs, statement.Close())
	}
	if d.leaving != nil && !d.replaced() {
		errs = append(errs, d.leaving())
	}
	if d.write != nil {
		errs = append(errs, d.write.Close())
	}
	if d.pool != nil {
		errs = append(errs, d.pool.Close())
	}
	return errors.Join(errs...)
}
