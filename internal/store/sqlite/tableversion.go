package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"unsafe"

	"gakushoku/internal/engine/projection"
)

// tableSchema stores a row's place only while readers may see the row, so that the index over places holds
// only visible rows. A table filled by a bulk replay has another layout (see loadSchema); the statements are
// the same.
const tableSchema = `
CREATE TABLE records (
  stream  TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  writes  INTEGER NOT NULL,
  data    TEXT,
  bucket  TEXT,
  sort    TEXT,
  parked  TEXT,
  due     INTEGER,
  task    TEXT
) STRICT, WITHOUT ROWID;` + placeIndex + parkedIndex + dueIndexes + totalsSchema

// tableUpgrades bring an older table version's file to the newest format.
var tableUpgrades = []string{`
ALTER TABLE records ADD COLUMN due INTEGER;
ALTER TABLE records ADD COLUMN task TEXT;` + dueIndexes}

const (
	placeIndex = `
CREATE INDEX IF NOT EXISTS records_by_place ON records (bucket, sort) WHERE bucket IS NOT NULL;`
	parkedIndex = `
CREATE INDEX records_parked ON records (stream) WHERE parked IS NOT NULL;`
	// The task of a row has an instant from which it may be tried, unless it is stuck.
	dueIndexes = `
CREATE INDEX records_due ON records (due, stream) WHERE due IS NOT NULL;
CREATE INDEX records_stuck ON records (stream) WHERE task IS NOT NULL AND due IS NULL;`
	totalsSchema = `
CREATE TABLE totals (
  key    TEXT NOT NULL,
  field  TEXT NOT NULL,
  amount INTEGER NOT NULL,
  PRIMARY KEY (key, field)
) STRICT, WITHOUT ROWID;`
)

// tableVersion is the open file of a table version with its statements.
type tableVersion struct {
	db *database

	record, records, first, next, scan, parked *sql.Stmt // rows
	newest, older, total, totals               *sql.Stmt // buckets and totals
	due, stuck, oldestDue                      *sql.Stmt // tasks
	count                                      *sql.Stmt
	insertRecord, updateRecord, mergeRecord    *sql.Stmt // on the writing connection
	addTotal, setTried                         *sql.Stmt // on it too
}

const columns = "SELECT stream, version, writes, data, bucket, sort, parked, task FROM records "

// buckets looks up one bucket after the other in the index: SQLite would otherwise read every row to find the
// few buckets.
const buckets = `
WITH RECURSIVE found(bucket) AS (
  SELECT max(bucket) FROM records WHERE bucket IS NOT NULL %s
  UNION ALL
  SELECT (SELECT max(bucket) FROM records WHERE bucket IS NOT NULL AND bucket < found.bucket) FROM found WHERE found.bucket IS NOT NULL
)
SELECT bucket FROM found WHERE bucket IS NOT NULL LIMIT ?`

// openTableVersion opens a file, or creates it if create is set.
func openTableVersion(ctx context.Context, path string, create bool) (*tableVersion, error) {
	openFile := openExisting
	if create {
		openFile = open
	}
	db, err := openFile(ctx, path, tableFile, tableSchema, tableUpgrades...)
	if err != nil {
		return nil, err
	}
	v := &tableVersion{db: db}
	if err := v.prepare(ctx); err != nil {
		return nil, errors.Join(explain(ctx, path, tableFile, err), db.close())
	}
	return v, nil
}

func (v *tableVersion) prepare(ctx context.Context) error {
	return v.db.prepare(ctx, statements{
		&v.record:  columns + "WHERE stream = ?",
		&v.records: columns + "WHERE stream IN (SELECT value FROM json_each(?))",
		&v.first:   columns + "WHERE bucket = ? ORDER BY sort DESC LIMIT ?",
		&v.next:    columns + "WHERE bucket = ? AND sort < ? ORDER BY sort DESC LIMIT ?",
		&v.scan:    columns + "WHERE stream > ? ORDER BY stream LIMIT ?",
		&v.parked:  columns + "INDEXED BY records_parked WHERE parked IS NOT NULL AND stream > ? ORDER BY stream LIMIT ?",
		&v.newest:  fmt.Sprintf(buckets, ""),
		&v.older:   fmt.Sprintf(buckets, "AND bucket < ?"),
		&v.total:   "SELECT key, field, amount FROM totals WHERE key = ? AND amount <> 0",
		&v.totals:  "SELECT key, field, amount FROM totals WHERE amount <> 0",
		&v.count: `SELECT (SELECT count(*) FROM records INDEXED BY records_by_place WHERE bucket IS NOT NULL),
  (SELECT count(*) FROM records INDEXED BY records_parked WHERE parked IS NOT NULL)`,

		&v.due:       columns + "INDEXED BY records_due WHERE due <= ?1 AND (due, stream) > (?2, ?3) ORDER BY due, stream LIMIT ?4",
		&v.stuck:     columns + "INDEXED BY records_stuck WHERE task IS NOT NULL AND due IS NULL AND stream > ? ORDER BY stream LIMIT ?",
		&v.oldestDue: "SELECT due FROM records INDEXED BY records_due WHERE due IS NOT NULL ORDER BY due LIMIT 1",
	}, statements{
		&v.insertRecord: insertRecord + "ON CONFLICT DO NOTHING",
		&v.updateRecord: "UPDATE records SET version = ?2, writes = ?3, data = ?4, bucket = ?5, sort = ?6, parked = ?7, due = ?8, task = ?9 WHERE stream = ?1 AND writes = ?3 - 1",
		&v.mergeRecord:  insertRecord + newerWins,
		&v.addTotal:     addTotal,
		&v.setTried:     "UPDATE records SET due = ?4, task = ?5 WHERE stream = ?1 AND version = ?2 AND task = ?3",
	})
}

const (
	insertRecord = "INSERT INTO records (stream, version, writes, data, bucket, sort, parked, due, task) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) "
	newerWins    = `ON CONFLICT (stream) DO UPDATE SET version = excluded.version, writes = records.writes + 1, data = excluded.data,
  bucket = excluded.bucket, sort = excluded.sort, parked = excluded.parked, due = excluded.due, task = excluded.task WHERE records.version < excluded.version`
	addTotal = "INSERT INTO totals (key, field, amount) VALUES (?, ?, ?) ON CONFLICT (key, field) DO UPDATE SET amount = amount + excluded.amount"
)

// writeRecord writes one row, unless another writer was faster.
func (v *tableVersion) writeRecord(c *projection.Change) (written bool, err error) {
	statement := v.updateRecord
	if c.Expected == 0 {
		statement = v.insertRecord
	}
	values, err := rowValues(&c.Record, c.Expected+1)
	if err != nil {
		return false, err
	}
	result, err := statement.Exec(values...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// mergeRow writes one row of a bulk, unless the table has the row at its version or later.
func (v *tableVersion) mergeRow(r *projection.Record) error {
	values, err := rowValues(r, 1)
	if err != nil {
		return err
	}
	_, err = v.mergeRecord.Exec(values...)
	return err
}

// rowValues returns the columns of a row, in the order of insertRecord.
func rowValues(r *projection.Record, writes uint64) ([]any, error) {
	var data, bucket, sort, parked sql.NullString
	if r.Data != nil {
		data = sql.NullString{String: string(r.Data), Valid: true}
	}
	if r.Visible() && r.Place.Bucket != "" {
		bucket = sql.NullString{String: r.Place.Bucket, Valid: true}
		sort = sql.NullString{String: r.Place.Sort, Valid: true}
	}
	if r.Parked != nil {
		encoded, err := json.Marshal(r.Parked)
		if err != nil {
			return nil, fmt.Errorf("encoding why %s is parked: %w", r.Stream, err)
		}
		parked = sql.NullString{String: string(encoded), Valid: true}
	}
	due, task, err := taskValues(r)
	if err != nil {
		return nil, err
	}
	return []any{r.Stream, int64(r.Version), int64(writes), data, bucket, sort, parked, due, task}, nil
}

// readRecords reads all rows of columns.
func readRecords(rows *sql.Rows, err error) ([]projection.Record, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var records []projection.Record
	for rows.Next() {
		r, err := readRecord(rows.Scan)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, errors.Join(rows.Err(), rows.Close())
}

func readRecord(scan func(...any) error) (projection.Record, error) {
	var r projection.Record
	var version, writes int64
	var data, bucket, sort, parked, task any // texts or nil, as the driver returns them
	if err := scan(&r.Stream, &version, &writes, &data, &bucket, &sort, &parked, &task); err != nil {
		return r, err
	}
	r.Version, r.Writes = uint64(version), uint64(writes)
	if text, ok := data.(string); ok {
		// The text is not shared, and an empty one is still data.
		r.Data = unsafe.Slice(unsafe.StringData(text), len(text))
		if r.Data == nil {
			r.Data = []byte{}
		}
	}
	r.Place.Bucket, _ = bucket.(string)
	r.Place.Sort, _ = sort.(string)
	if text, ok := parked.(string); ok {
		r.Parked = new(projection.Parked)
		if err := json.Unmarshal([]byte(text), r.Parked); err != nil {
			return r, fmt.Errorf("the stored reason why %s is parked cannot be read: %w", r.Stream, err)
		}
	}
	if text, ok := task.(string); ok {
		r.Task = new(projection.Task)
		if err := json.Unmarshal([]byte(text), r.Task); err != nil {
			return r, fmt.Errorf("the stored task of %s cannot be read: %w", r.Stream, err)
		}
	}
	return r, nil
}
