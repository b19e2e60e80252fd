package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/fault/wait"
)

// Usage is the room that a file takes, in bytes.
type Usage struct {
	Bytes    int64 `json:"bytes"`    // of the file
	LogBytes int64 `json:"logBytes"` // of its write-ahead log
	Free     int64 `json:"free"`     // in the file, and not used
	// Shrinks says that free room can be given back while the file is in use. Others only use it again: those
	// from before this was so, and read models.
	Shrinks bool `json:"shrinks"`
	// Statistics is how many indexes SQLite has figures of, to choose between them.
	Statistics int `json:"statistics"`
}

// The steps of Tidy are small, so that commands come in between.
const (
	freedAtOnce   = 64 // pages
	tidyPause     = 10 * time.Millisecond
	analysedRows  = 1000
	smallLogBytes = 1 << 20
	droppedAtOnce = 100 // snapshots
)

// Usage returns the room that the file takes.
func (r *records) Usage(ctx context.Context) (Usage, error) { return r.db.usage(ctx) }

// Tidy is Events.Tidy for these records.
func (r *records) Tidy(ctx context.Context) error { return r.db.tidy(ctx) }

// Usage returns the room that the file takes.
func (s *Events) Usage(ctx context.Context) (Usage, error) { return s.db.usage(ctx) }

// Tidy brings SQLite's statistics up to date, gives free room back, and moves the write-ahead log into the file. It
// may be repeated, ended at any moment, and run while other processes use the file: it holds their writes up for some
// milliseconds at a time.
func (s *Events) Tidy(ctx context.Context) error { return s.db.tidy(ctx) }

// Usage returns the room that the file of a table version takes.
func (s *Tables) Usage(ctx context.Context, t projection.Table) (u Usage, err error) {
	err = s.with(ctx, t, "measuring", func(v *tableVersion) error {
		u, err = v.db.usage(ctx)
		return err
	})
	return u, err
}

// Tidy is Events.Tidy for a table version.
func (s *Tables) Tidy(ctx context.Context, t projection.Table) error {
	return s.with(ctx, t, "tidying", func(v *tableVersion) error { return v.db.tidy(ctx) })
}

func (d *database) usage(ctx context.Context) (u Usage, err error) {
	const query = `SELECT (SELECT page_count FROM pragma_page_count) * size, (SELECT freelist_count FROM pragma_freelist_count) * size,
	(SELECT auto_vacuum FROM pragma_auto_vacuum) = 2 FROM (SELECT page_size AS size FROM pragma_page_size)`
	err = d.read.QueryRowContext(ctx, query).Scan(&u.Bytes, &u.Free, &u.Shrinks)
	u.Shrinks = u.Shrinks && d.mayShrink()
	if err == nil {
		err = scanIfThere(d.read, "sqlite_stat1", "SELECT count(*) FROM sqlite_stat1", &u.Statistics)
	}
	if err == nil {
		u.LogBytes, err = d.logBytes()
	}
	return u, d.failed(ctx, "measuring "+d.path, err)
}

func (d *database) logBytes() (int64, error) {
	info, err := os.Stat(d.path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (d *database) tidy(ctx context.Context) error {
	what := "tidying " + d.path
	if err := d.transact(ctx, d.analyse); err != nil {
		return d.failed(ctx, what, err)
	}
	if err := d.shrink(ctx); err != nil {
		return d.failed(ctx, what, err)
	}
	if err := d.checkpoint(ctx); err != nil {
		return d.failed(ctx, what, err)
	}
	size, err := d.logBytes()
	if err == nil && size > smallLogBytes {
		err = d.cutLog(ctx)
	}
	return d.failed(ctx, what, err)
}

func (d *database) analyse() error {
	ctx := context.Background()
	if _, err := d.write.ExecContext(ctx, fmt.Sprintf("PRAGMA analysis_limit=%d", analysedRows)); err != nil {
		return err
	}
	_, err := d.write.ExecContext(ctx, "PRAGMA optimize=0x10002") // also of tables that this connection has not read
	return err
}

// mayShrink reports whether the file may become smaller while it is in use. One whose content does not tell its age
// must not: a smaller file is an older one then.
func (d *database) mayShrink() bool { return grown[d.kind].table != "" }

// shrink gives free pages back, some at a time.
func (d *database) shrink(ctx context.Context) error {
	for d.mayShrink() {
		var before, after int64
		err := d.transact(ctx, func() error {
			var err error
			if before, err = d.freePages(); err != nil || before == 0 {
				return err
			}
			rows, err := d.write.QueryContext(context.Background(), fmt.Sprintf("PRAGMA incremental_vacuum(%d)", freedAtOnce))
			if err != nil {
				return err
			}
			for rows.Next() { // it frees a page for each row
			}
			if err := errors.Join(rows.Err(), rows.Close()); err != nil {
				return err
			}
			after, err = d.freePages()
			return err
		})
		if err != nil || after == 0 || after >= before {
			return err
		}
		if err := wait.For(ctx, tidyPause); err != nil {
			return err
		}
	}
	return nil
}

func (d *database) freePages() (pages int64, err error) {
	err = d.write.QueryRowContext(context.Background(), "PRAGMA freelist_count").Scan(&pages)
	return pages, err
}

// cutLog moves what is left in the write-ahead log into the file and cuts the log, unless another process is using
// it.
func (d *database) cutLog(ctx context.Context) error {
	select {
	case d.lock <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-d.lock }()
	var busy, logged, moved int
	err := d.write.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &logged, &moved)
	if isBusy(err) {
		return nil
	}
	return err
}

// Longest is a long stream.
type Longest struct {
	Stream string `json:"stream"`
	Events uint64 `json:"events"`
}

// Longest returns the streams with the most events, the longest first. It reads an index of all events.
func (s *Events) Longest(ctx context.Context, limit int) (all []Longest, err error) {
	what := "looking for the longest streams"
	rows, err := s.db.read.QueryContext(ctx, "SELECT stream, max(version) FROM events GROUP BY stream ORDER BY 2 DESC, 1 LIMIT ?", limit)
	if err != nil {
		return nil, s.db.failed(ctx, what, err)
	}
	defer func() { err = s.db.failed(ctx, what, errors.Join(err, rows.Close())) }()
	for rows.Next() {
		var l Longest
		var events int64
		if err := rows.Scan(&l.Stream, &events); err != nil {
			return nil, err
		}
		l.Events = uint64(events)
		all = append(all, l)
	}
	return all, rows.Err()
}

// Snapshots are figures about the snapshots of streams.
type Snapshots struct {
	Count int   `json:"count"`
	Bytes int64 `json:"bytes"`
	Old   int   `json:"old"` // that were written before a time
}

// Snapshots counts the snapshots of streams.
func (c *Control) Snapshots(ctx context.Context, before time.Time) (s Snapshots, err error) {
	err = c.db.read.QueryRowContext(ctx, "SELECT count(*), coalesce(sum(length(data)), 0), coalesce(sum(written < ?), 0) FROM snapshots", before.UnixMilli()).
		Scan(&s.Count, &s.Bytes, &s.Old)
	return s, c.db.failed(ctx, "counting snapshots", err)
}

// DropSnapshots removes the snapshots that were written before a time, and returns how many.
func (c *Control) DropSnapshots(ctx context.Context, before time.Time) (dropped int64, err error) {
	for {
		var some int64
		err := c.db.transact(ctx, func() error {
			result, err := c.db.write.ExecContext(context.Background(),
				"DELETE FROM snapshots WHERE stream IN (SELECT stream FROM snapshots WHERE written < ? LIMIT ?)", before.UnixMilli(), droppedAtOnce)
			if err == nil {
				some, err = result.RowsAffected()
			}
			return err
		})
		dropped += some
		if err != nil || some == 0 {
			return dropped, c.db.failed(ctx, "dropping old snapshots", err)
		}
	}
}
