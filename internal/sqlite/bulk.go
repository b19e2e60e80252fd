package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gakushoku/internal/projection"
)

var _ projection.Sink = (*Tables)(nil)

// A bulk replay fills a table of its own in the file of the table version. That has no index,
// so that a row only costs its bytes; Finish builds the indexes by sorting, which is cheaper
// than keeping them row by row, and puts the table in the place of the empty one. Unlike that,
// it has row ids: its rows lie in the order in which they came. Everything is in ordinary
// transactions, so that whoever dies or comes too late does no harm, and nothing is
// acknowledged that a loss of power could take back.
const (
	bulkSchema = `
CREATE TABLE IF NOT EXISTS bulk (
  stream  TEXT NOT NULL,
  version INTEGER NOT NULL,
  writes  INTEGER NOT NULL,
  bucket  TEXT,
  sort    TEXT,
  parked  TEXT,
  data    TEXT
) STRICT;`

	partsSchema = `
CREATE TABLE IF NOT EXISTS parts (
  name TEXT PRIMARY KEY,
  rows INTEGER NOT NULL
) STRICT, WITHOUT ROWID;`

	replaceRecords = `
DROP TABLE records;
ALTER TABLE bulk RENAME TO records;
CREATE UNIQUE INDEX records_by_stream ON records (stream);` + recordsIndexes

	// mergeBulk is for rows that came when the table had rows already.
	mergeBulk = `
INSERT INTO records (stream, version, writes, bucket, sort, parked, data)
  SELECT stream, version, writes, bucket, sort, parked, data FROM bulk WHERE true
  ON CONFLICT (stream) DO UPDATE SET version = excluded.version, writes = records.writes + 1,
    bucket = excluded.bucket, sort = excluded.sort, parked = excluded.parked, data = excluded.data
  WHERE records.version < excluded.version;
DROP TABLE bulk;`
)

// maxPartName is how many bytes the name of a part may have, as in DynamoDB.
const maxPartName = 1000

// PutPart is projection.Sink: one transaction for the rows and totals of a part and the note
// that it is in. A part that waits for its turn has not begun to make its rows.
func (s *Tables) PutPart(ctx context.Context, t projection.Table, part projection.BulkPart) (rows int, err error) {
	var theirs error // of the part's rows, which speak for themselves
	err = s.with(ctx, t, "putting part "+part.Name+" into", func(v *tableVersion) error {
		if part.Name == "" || len(part.Name) > maxPartName {
			return fmt.Errorf("a part's name has 1 to %d bytes", maxPartName)
		}
		return v.db.transactPatiently(ctx, func() (err error) {
			rows, theirs, err = v.putPart(ctx, part)
			return errors.Join(theirs, err)
		})
	})
	if theirs != nil {
		return 0, fmt.Errorf("putting part %s into %s: %w", part.Name, t, theirs)
	}
	if err != nil {
		return 0, err
	}
	return rows, nil
}

// putPart runs inside a transaction. broken is the error of the part's own rows.
func (v *tableVersion) putPart(ctx context.Context, part projection.BulkPart) (rows int, broken, err error) {
	if _, err := v.db.write.ExecContext(ctx, partsSchema); err != nil {
		return 0, nil, err
	}
	err = v.db.write.QueryRowContext(ctx, "SELECT rows FROM parts WHERE name = ?", part.Name).Scan(&rows)
	if !errors.Is(err, sql.ErrNoRows) {
		return rows, nil, err // it is in, or nobody knows
	}
	if _, err := v.db.write.ExecContext(ctx, bulkSchema); err != nil {
		return 0, nil, err
	}
	if rows, broken, err = v.insertRows(ctx, part.Rows); broken != nil || err != nil {
		return 0, broken, err
	}
	for _, d := range part.Totals() {
		if d.Amount == 0 {
			continue
		}
		if _, err := v.addTotal.ExecContext(ctx, d.Key, d.Field, d.Amount); err != nil {
			return 0, nil, err
		}
	}
	_, err = v.db.write.ExecContext(ctx, "INSERT INTO parts (name, rows) VALUES (?, ?)", part.Name, rows)
	return rows, nil, errors.Join(err, ctx.Err())
}

// Finish is projection.Sink.
func (s *Tables) Finish(ctx context.Context, t projection.Table) error {
	return s.with(ctx, t, "finishing", func(v *tableVersion) error {
		return v.db.transactPatiently(ctx, func() error { return v.finish(ctx) })
	})
}

// finish runs inside a transaction.
func (v *tableVersion) finish(ctx context.Context) error {
	var parts, rows bool
	const look = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'bulk'), EXISTS (SELECT 1 FROM records)"
	if err := v.db.write.QueryRowContext(ctx, look).Scan(&parts, &rows); err != nil {
		return err
	}
	text := replaceRecords
	switch {
	case !parts:
		return nil // no part has come since it was finished, if any ever came
	case rows:
		text = mergeBulk
	}
	_, err := v.db.write.ExecContext(ctx, text)
	return errors.Join(err, ctx.Err())
}
