package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"time"

	"modernc.org/sqlite"

	"gakushoku/internal/fault/wait"
)

// folderSchema records the data folder that a file belongs to, and whether the file is whole without its
// write-ahead log. It is not whole from a process's first append until an orderly close.
const folderSchema = "CREATE TABLE IF NOT EXISTS folder (id TEXT NOT NULL, whole INTEGER NOT NULL DEFAULT 1) STRICT"

// Belong returns the id of the data folder that the file belongs to. A file that belongs to none, such as one
// from before ids existed, is assigned to id, unless that is "".
func (c *Control) Belong(ctx context.Context, id string) (string, error) {
	return c.db.belong(ctx, id)
}

// Belong works like Control.Belong.
func (l *Ledger) Belong(ctx context.Context, id string) (string, error) { return l.db.belong(ctx, id) }

// Belong works like Control.Belong.
func (s *Events) Belong(ctx context.Context, id string) (string, error) {
	theirs, err := s.db.belong(ctx, id)
	s.belongs = err == nil && theirs != ""
	return theirs, err
}

func (d *database) belong(ctx context.Context, id string) (string, error) {
	what := "reading to which folder the file belongs"
	theirs := ""
	err := scanIfThere(d.read, "folder", "SELECT coalesce(max(id), '') FROM folder", &theirs)
	if err != nil || theirs != "" || id == "" {
		return theirs, d.failed(ctx, what, err)
	}
	err = d.transact(ctx, func() error {
		_, err := d.write.ExecContext(ctx, folderSchema)
		if err == nil {
			_, err = d.write.ExecContext(ctx, "INSERT INTO folder (id) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM folder)", id)
		}
		if err == nil {
			err = d.write.QueryRowContext(ctx, "SELECT id FROM folder").Scan(&theirs)
		}
		return err
	})
	if err == nil {
		err = d.checkpoint(ctx) // so that a copy of the file alone has it
	}
	return theirs, d.failed(ctx, what, err)
}

// checkpoint moves what was committed into the file itself, unless a reader prevents it.
func (d *database) checkpoint(ctx context.Context) error {
	d.lock <- struct{}{}
	defer func() { <-d.lock }()
	_, err := d.write.ExecContext(context.WithoutCancel(ctx), "PRAGMA wal_checkpoint(PASSIVE)")
	return err
}

// CutOff reports whether the file was copied while in use, without its write-ahead log, so that events may be
// missing at its end. Confirm resets it.
func (s *Events) CutOff() bool { return s.cutOff }

// Confirm resets CutOff. The caller must know that no events are missing, because the last event that another
// store has seen is the last one here.
func (s *Events) Confirm() { s.cutOff = false }

// cutOff reports whether a file says that it is not whole but lacks its write-ahead log. Another process may
// be opening or closing the file, so it checks more than once.
func cutOff(ctx context.Context, path string) (bool, error) {
	const looks = 3
	for range looks {
		_, err := os.Stat(path + "-wal")
		info, gone := os.Stat(path)
		if !errors.Is(err, fs.ErrNotExist) || gone != nil || info.Size() == 0 || wholeAlone(path) {
			return false, nil
		}
		if err := wait.For(ctx, 10*time.Millisecond); err != nil {
			return false, err
		}
	}
	return true, nil
}

// wholeAlone reports whether a file does not say that it needs its write-ahead log.
func wholeAlone(path string) bool {
	db, err := sql.Open("sqlite", dsn(path, "immutable=1&mode=ro"))
	if err != nil {
		return true
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	whole := true
	err = scanIfThere(db, "folder", "SELECT coalesce(min(whole), 1) FROM folder", &whole)
	return whole || err != nil
}

// leaveWhole records that the file is whole without its write-ahead log, and removes the log, if no other
// process has the file open. The caller holds the lock, and has no readers left.
func (d *database) leaveWhole() error {
	whole := true
	if err := scanIfThere(d.write, "folder", "SELECT coalesce(min(whole), 1) FROM folder", &whole); err != nil {
		return err
	}
	for _, step := range d.stepsToWhole() {
		if whole {
			break
		}
		if goOn, err := step(); err != nil || !goOn {
			return err // the log stays
		}
	}
	return d.keepLog(false)
}

// stepsToWhole returns the steps that make a file whole. The process may die during or after any of them:
// until the log is removed it has all that the file lacks, and when it is removed the file says that it is
// whole. A step returns false if another process has the file open; the last process to close it will do the
// steps.
func (d *database) stepsToWhole() []func() (bool, error) {
	ctx := context.Background()
	return []func() (bool, error){
		func() (bool, error) { // so that the log holds only what comes next
			var busy, logged, moved int
			err := d.write.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &logged, &moved)
			return busy == 0, ignoreBusy(err)
		},
		func() (bool, error) {
			_, err := d.write.ExecContext(ctx, "UPDATE folder SET whole = 1")
			return err == nil, ignoreBusy(err)
		},
		func() (bool, error) {
			var mode string
			err := d.write.QueryRowContext(ctx, "PRAGMA journal_mode=DELETE").Scan(&mode)
			if err == nil && mode == "delete" {
				return true, nil
			}
			if _, err = d.write.ExecContext(ctx, markNotWhole); err == nil {
				_, err = d.write.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
			}
			return false, ignoreBusy(err) // so does the other process's next append
		},
	}
}

// markNotWhole records that the file is not whole without its write-ahead log.
const markNotWhole = "UPDATE folder SET whole = 0 WHERE whole <> 0"

func ignoreBusy(err error) error {
	if isBusy(err) {
		return nil
	}
	return err
}

// keepLog determines whether the write-ahead log stays when the writing connection is closed last. It is
// removed only if the file is known to say that it is whole.
func (d *database) keepLog(keep bool) error {
	if d.kind != eventsFile {
		return nil
	}
	return keepLog(d.write, keep)
}

func keepLog(conn *sql.Conn, keep bool) error {
	mode := 0
	if keep {
		mode = 1
	}
	return conn.Raw(func(c any) error {
		_, err := c.(sqlite.FileControl).FileControlPersistWAL("main", mode)
		return err
	})
}
