package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"gakushoku/internal/projection"
	"gakushoku/internal/readmodel"
)

const tableSchema = `
CREATE TABLE records (
  stream  TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  writes  INTEGER NOT NULL,
  data    TEXT,
  bucket  TEXT,
  sort    TEXT,
  parked  TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX records_by_place ON records (bucket, sort) WHERE bucket IS NOT NULL;
CREATE INDEX records_parked ON records (stream) WHERE parked IS NOT NULL;
CREATE TABLE totals (
  key    TEXT NOT NULL,
  field  TEXT NOT NULL,
  amount INTEGER NOT NULL,
  PRIMARY KEY (key, field)
) STRICT, WITHOUT ROWID;`

// Tables keeps each table version in a file of its own: dropping one is removing a file, and
// a version that is being built never waits for one that is being served.
type Tables struct {
	dir string

	mu   sync.Mutex
	open map[projection.Table]*database
}

// OpenTables keeps table versions in a folder, which must exist. Close it.
func OpenTables(dir string) *Tables {
	return &Tables{dir: dir, open: map[projection.Table]*database{}}
}

// Close closes every file.
func (s *Tables) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for t, db := range s.open {
		errs = append(errs, db.close())
		delete(s.open, t)
	}
	return errors.Join(errs...)
}

func (s *Tables) path(t projection.Table) string { return filepath.Join(s.dir, t.String()+".db") }

// Create makes the file of a table version.
func (s *Tables) Create(ctx context.Context, t projection.Table) error {
	_, err := s.table(ctx, t, true)
	return err
}

// Drop removes the files of a table version.
func (s *Tables) Drop(_ context.Context, t projection.Table) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	if db, ok := s.open[t]; ok {
		errs = append(errs, db.close())
		delete(s.open, t)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(s.path(t) + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("dropping %s: %w", t, err)
	}
	return nil
}

// table is the open file of a table version. Another process may have dropped the file: an
// open one whose name is gone is closed and counts as not there.
func (s *Tables) table(ctx context.Context, t projection.Table, create bool) (*database, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := os.Stat(s.path(t))
	missing := errors.Is(err, fs.ErrNotExist)
	db, ok := s.open[t]
	if ok && !missing {
		return db, nil
	}
	if ok {
		delete(s.open, t)
		if err := db.close(); err != nil {
			return nil, fmt.Errorf("closing %s: %w", t, err)
		}
	}
	if missing && !create {
		return nil, fmt.Errorf("%s: %w", t, projection.ErrNoTable)
	}
	// NORMAL: a row that is lost with the power is healed from the event store, so rows need
	// not wait for the disk.
	db, err = open(ctx, s.path(t), tableFile, "NORMAL", tableSchema)
	if err != nil {
		return nil, err
	}
	s.open[t] = db
	return db, nil
}

// Records reads rows by their streams.
func (s *Tables) Records(ctx context.Context, t projection.Table, streams []string) (map[string]projection.Record, error) {
	db, err := s.table(ctx, t, false)
	if err != nil {
		return nil, err
	}
	names, err := json.Marshal(streams)
	if err != nil {
		return nil, fmt.Errorf("encoding streams: %w", err)
	}
	rows, err := db.read.QueryContext(ctx, selectRecord+" WHERE stream IN (SELECT value FROM json_each(?))", string(names))
	records, err := scanRecords(ctx, rows, err)
	if err != nil {
		return nil, fmt.Errorf("reading rows of %s: %w", t, err)
	}
	found := make(map[string]projection.Record, len(records))
	for _, r := range records {
		found[r.Stream] = r
	}
	return found, nil
}

// Write stores changes, each on condition of its row's writes, with their totals.
func (s *Tables) Write(ctx context.Context, t projection.Table, changes []projection.Change) ([]string, error) {
	if len(changes) > projection.MaxWrite {
		return nil, fmt.Errorf("write to %s: %d changes at once, the most are %d", t, len(changes), projection.MaxWrite)
	}
	db, err := s.table(ctx, t, false)
	if err != nil {
		return nil, err
	}
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("write to %s: %w", t, explain(ctx, err))
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	var late []string
	for i := range changes {
		written, err := writeChange(ctx, tx, &changes[i])
		if err != nil {
			return nil, fmt.Errorf("write to %s: %w", t, explain(ctx, err))
		}
		if !written {
			late = append(late, changes[i].Stream)
		}
	}
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("write to %s: %w", t, explain(ctx, err))
	}
	return late, nil
}

const (
	insertRecord = `INSERT INTO records (stream, version, writes, data, bucket, sort, parked) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING`
	updateRecord = `UPDATE records SET version = ?2, writes = ?3, data = ?4, bucket = ?5, sort = ?6, parked = ?7 WHERE stream = ?1 AND writes = ?8`
	addTotal     = `INSERT INTO totals (key, field, amount) VALUES (?, ?, ?) ON CONFLICT (key, field) DO UPDATE SET amount = amount + excluded.amount`
)

// writeChange writes one row, unless somebody was faster.
func writeChange(ctx context.Context, tx *sql.Tx, c *projection.Change) (bool, error) {
	parked, err := encodeParked(c.Parked)
	if err != nil {
		return false, err
	}
	statement := updateRecord
	args := []any{c.Stream, int64(c.Version), int64(c.Expected + 1), text(string(c.Data)), text(c.Place.Bucket), text(c.Place.Sort), parked}
	if c.Expected == 0 {
		statement = insertRecord
	} else {
		args = append(args, int64(c.Expected))
	}
	result, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return false, err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return false, err
	}
	for _, d := range c.Totals {
		if _, err := tx.ExecContext(ctx, addTotal, d.Key, d.Field, d.Amount); err != nil {
			return false, err
		}
	}
	return true, nil
}

func encodeParked(p *projection.Parked) (sql.NullString, error) {
	if p == nil {
		return sql.NullString{}, nil
	}
	encoded, err := json.Marshal(p)
	return sql.NullString{String: string(encoded), Valid: true}, err
}

// text stores "" as NULL, so that rows without a place stay out of the index.
func text(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }

const selectRecord = "SELECT stream, version, writes, data, bucket, sort, parked FROM records"

func scanRecords(ctx context.Context, rows *sql.Rows, err error) ([]projection.Record, error) {
	if err != nil {
		return nil, explain(ctx, err)
	}
	var records []projection.Record
	for rows.Next() {
		r, err := scanRecord(rows)
		if err != nil {
			return nil, errors.Join(explain(ctx, err), rows.Close())
		}
		records = append(records, r)
	}
	return records, explain(ctx, errors.Join(rows.Err(), rows.Close()))
}

func scanRecord(row interface{ Scan(...any) error }) (projection.Record, error) {
	var r projection.Record
	var version, writes int64
	var data, bucket, sort, parked sql.NullString
	if err := row.Scan(&r.Stream, &version, &writes, &data, &bucket, &sort, &parked); err != nil {
		return r, err
	}
	r.Version, r.Writes = uint64(version), uint64(writes)
	r.Place = readmodel.Place{Bucket: bucket.String, Sort: sort.String}
	if data.Valid {
		r.Data = []byte(data.String)
	}
	if parked.Valid {
		r.Parked = new(projection.Parked)
		if err := json.Unmarshal([]byte(parked.String), r.Parked); err != nil {
			return r, fmt.Errorf("the stored reason why %s is parked cannot be read: %w", r.Stream, err)
		}
	}
	return r, nil
}
