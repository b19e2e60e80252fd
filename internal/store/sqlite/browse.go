package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
)

// Record implements projection.Browser.
func (s *Tables) Record(ctx context.Context, t projection.Table, stream string) (projection.Record, error) {
	var r projection.Record
	err := s.with(ctx, t, "reading a row of", func(v *tableVersion) (err error) {
		r, err = readRecord(v.record.QueryRowContext(ctx, stream).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("%w: %s", projection.ErrNoRecord, stream)
		}
		return err
	})
	if err != nil {
		return projection.Record{}, err
	}
	return r, nil
}

// rows runs a query on a table version and reads its rows.
func (s *Tables) rows(ctx context.Context, t projection.Table, what string, query func(*tableVersion) (*sql.Rows, error)) ([]projection.Record, error) {
	var records []projection.Record
	err := s.with(ctx, t, what, func(v *tableVersion) error {
		rows, err := query(v)
		records, err = readRecords(rows, err)
		return err
	})
	if err != nil {
		return nil, err
	}
	return records, nil
}

// List implements projection.Browser.
func (s *Tables) List(ctx context.Context, t projection.Table, bucket, after string, limit int) ([]projection.Record, error) {
	limit = max(limit, 0) // SQLite takes a negative limit for none
	return s.rows(ctx, t, "listing rows of", func(v *tableVersion) (*sql.Rows, error) {
		if after == "" {
			return v.first.QueryContext(ctx, bucket, limit)
		}
		return v.next.QueryContext(ctx, bucket, after, limit)
	})
}

// Buckets implements projection.Browser.
func (s *Tables) Buckets(ctx context.Context, t projection.Table, before string, limit int) ([]string, error) {
	limit = max(limit, 0)
	var buckets []string
	err := s.with(ctx, t, "listing buckets of", func(v *tableVersion) (err error) {
		var rows *sql.Rows
		if before == "" {
			rows, err = v.newest.QueryContext(ctx, limit)
		} else {
			rows, err = v.older.QueryContext(ctx, before, limit)
		}
		buckets, err = texts(rows, err)
		return err
	})
	if err != nil {
		return nil, err
	}
	return buckets, nil
}

// Total implements projection.Browser.
func (s *Tables) Total(ctx context.Context, t projection.Table, key string) (map[string]int64, error) {
	all, err := s.totals(ctx, t, func(v *tableVersion) (*sql.Rows, error) { return v.total.QueryContext(ctx, key) })
	if err != nil {
		return nil, err
	}
	if all[key] == nil {
		return map[string]int64{}, nil
	}
	return all[key], nil
}

// Scan implements projection.Inspector, sorted by stream. The cursor is the last stream.
func (s *Tables) Scan(ctx context.Context, t projection.Table, part eventstore.Part, cursor string, limit int) ([]projection.Record, string, error) {
	records, next, err := s.page(ctx, t, "scanning", limit, func(v *tableVersion) (*sql.Rows, error) {
		return v.scan.QueryContext(ctx, cursor, limit)
	})
	return slices.DeleteFunc(records, func(r projection.Record) bool { return !part.Has(r.Stream) }), next, err
}

// ParkedRecords implements projection.Inspector, sorted by stream. The cursor is the last stream.
func (s *Tables) ParkedRecords(ctx context.Context, t projection.Table, cursor string, limit int) ([]projection.Record, string, error) {
	return s.page(ctx, t, "listing parked rows of", limit, func(v *tableVersion) (*sql.Rows, error) {
		return v.parked.QueryContext(ctx, cursor, limit)
	})
}

func (s *Tables) page(ctx context.Context, t projection.Table, what string, limit int, query func(*tableVersion) (*sql.Rows, error)) ([]projection.Record, string, error) {
	if err := checkLimit(limit); err != nil {
		return nil, "", fmt.Errorf("%s %s: %w", what, t, err)
	}
	records, err := s.rows(ctx, t, what, query)
	if err != nil || len(records) < limit {
		return records, "", err
	}
	return records, records[len(records)-1].Stream, nil
}

// Count implements projection.Counter. It reads indexes only.
func (s *Tables) Count(ctx context.Context, t projection.Table) (visible, parked int, err error) {
	err = s.with(ctx, t, "counting rows of", func(v *tableVersion) error {
		return v.count.QueryRowContext(ctx).Scan(&visible, &parked)
	})
	return visible, parked, err
}

// Totals implements projection.Inspector.
func (s *Tables) Totals(ctx context.Context, t projection.Table) (map[string]map[string]int64, error) {
	return s.totals(ctx, t, func(v *tableVersion) (*sql.Rows, error) { return v.totals.QueryContext(ctx) })
}

func (s *Tables) totals(ctx context.Context, t projection.Table, query func(*tableVersion) (*sql.Rows, error)) (map[string]map[string]int64, error) {
	var all map[string]map[string]int64
	err := s.with(ctx, t, "reading totals of", func(v *tableVersion) error {
		rows, err := query(v)
		all, err = readTotals(rows, err)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// readTotals reads all rows of key, field and amount.
func readTotals(rows *sql.Rows, err error) (map[string]map[string]int64, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string]map[string]int64{}
	for rows.Next() {
		var key, field string
		var amount int64
		if err := rows.Scan(&key, &field, &amount); err != nil {
			return nil, err
		}
		if all[key] == nil {
			all[key] = map[string]int64{}
		}
		all[key][field] = amount
	}
	return all, errors.Join(rows.Err(), rows.Close())
}
