package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gakushoku/internal/projection"
)

// Record reads one row.
func (s *Tables) Record(ctx context.Context, t projection.Table, stream string) (projection.Record, error) {
	db, err := s.table(ctx, t, false)
	if err != nil {
		return projection.Record{}, err
	}
	r, err := scanRecord(db.read.QueryRowContext(ctx, selectRecord+" WHERE stream = ?", stream))
	if errors.Is(err, sql.ErrNoRows) {
		return r, fmt.Errorf("%s in %s: %w", stream, t, projection.ErrNoRecord)
	}
	if err != nil {
		return r, fmt.Errorf("reading a row of %s: %w", t, explain(ctx, err))
	}
	return r, nil
}

// List pages through a bucket, newest first.
func (s *Tables) List(ctx context.Context, t projection.Table, bucket, after string, limit int) ([]projection.Record, error) {
	return s.records(ctx, t, " WHERE bucket = ?1 AND (?2 = '' OR sort < ?2) ORDER BY sort DESC LIMIT ?3", bucket, after, limit)
}

// Scan pages through all rows in the order of their streams.
func (s *Tables) Scan(ctx context.Context, t projection.Table, cursor string, limit int) ([]projection.Record, string, error) {
	records, err := s.records(ctx, t, " WHERE stream > ? ORDER BY stream LIMIT ?", cursor, limit)
	return records, nextCursor(records, limit), err
}

// ParkedRecords pages through the parked rows in the order of their streams.
func (s *Tables) ParkedRecords(ctx context.Context, t projection.Table, cursor string, limit int) ([]projection.Record, string, error) {
	records, err := s.records(ctx, t, " WHERE parked IS NOT NULL AND stream > ? ORDER BY stream LIMIT ?", cursor, limit)
	return records, nextCursor(records, limit), err
}

func nextCursor(records []projection.Record, limit int) string {
	if len(records) < limit {
		return ""
	}
	return records[len(records)-1].Stream
}

func (s *Tables) records(ctx context.Context, t projection.Table, where string, args ...any) ([]projection.Record, error) {
	db, err := s.table(ctx, t, false)
	if err != nil {
		return nil, err
	}
	rows, err := db.read.QueryContext(ctx, selectRecord+where, args...)
	records, err := scanRecords(ctx, rows, err)
	if err != nil {
		return nil, fmt.Errorf("reading rows of %s: %w", t, err)
	}
	return records, nil
}

// Buckets pages through the buckets that have rows, newest first.
func (s *Tables) Buckets(ctx context.Context, t projection.Table, before string, limit int) ([]string, error) {
	db, err := s.table(ctx, t, false)
	if err != nil {
		return nil, err
	}
	// SQLite has no skip-scan without statistics, so each step asks the index for the next
	// smaller bucket instead of reading every row.
	rows, err := db.read.QueryContext(ctx, `
		WITH RECURSIVE days(bucket) AS (
		  SELECT max(bucket) FROM records WHERE bucket IS NOT NULL AND (?1 = '' OR bucket < ?1)
		  UNION ALL
		  SELECT (SELECT max(bucket) FROM records WHERE bucket IS NOT NULL AND bucket < days.bucket) FROM days WHERE days.bucket IS NOT NULL
		)
		SELECT bucket FROM days WHERE bucket IS NOT NULL LIMIT ?2`, before, limit)
	buckets, err := texts(ctx, rows, err)
	if err != nil {
		return nil, fmt.Errorf("listing the days of %s: %w", t, err)
	}
	return buckets, nil
}

// Total reads one total.
func (s *Tables) Total(ctx context.Context, t projection.Table, key string) (map[string]int64, error) {
	all, err := s.totals(ctx, t, " AND key = ?", key)
	if err != nil {
		return nil, err
	}
	if all[key] == nil {
		return map[string]int64{}, nil
	}
	return all[key], nil
}

// Totals reads every total.
func (s *Tables) Totals(ctx context.Context, t projection.Table) (map[string]map[string]int64, error) {
	return s.totals(ctx, t, "")
}

func (s *Tables) totals(ctx context.Context, t projection.Table, where string, args ...any) (map[string]map[string]int64, error) {
	db, err := s.table(ctx, t, false)
	if err != nil {
		return nil, err
	}
	rows, err := db.read.QueryContext(ctx, "SELECT key, field, amount FROM totals WHERE amount <> 0"+where, args...)
	if err != nil {
		return nil, fmt.Errorf("reading totals of %s: %w", t, explain(ctx, err))
	}
	defer rows.Close()
	all := map[string]map[string]int64{}
	for rows.Next() {
		var key, field string
		var amount int64
		if err := rows.Scan(&key, &field, &amount); err != nil {
			return nil, fmt.Errorf("reading totals of %s: %w", t, explain(ctx, err))
		}
		if all[key] == nil {
			all[key] = map[string]int64{}
		}
		all[key][field] = amount
	}
	return all, explain(ctx, rows.Err())
}
