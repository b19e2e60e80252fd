package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"gakushoku/internal/engine/projection"
)

var _ projection.Snapshotter = (*Tables)(nil)

// snapshot is a read transaction on its own connection. While it is open, SQLite keeps what is overwritten,
// so the write-ahead log grows with the writes.
type snapshot struct {
	db    *database
	table projection.Table
	conn  *sql.Conn
	tx    *sql.Tx

	mu           sync.Mutex // one statement at a time per connection
	scan, totals *sql.Stmt
}

// Snapshot implements projection.Snapshotter.
func (s *Tables) Snapshot(ctx context.Context, t projection.Table) (projection.Snapshot, error) {
	var shot *snapshot
	err := s.with(ctx, t, "taking a snapshot of", func(v *tableVersion) error {
		conn, err := v.db.read.Conn(ctx)
		if err != nil {
			return err
		}
		// The transaction lives until Close, even if ctx ends before.
		tx, err := conn.BeginTx(context.WithoutCancel(ctx), &sql.TxOptions{ReadOnly: true})
		if err != nil {
			return errors.Join(err, conn.Close())
		}
		// The first read fixes the moment.
		var tables int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); err != nil {
			return errors.Join(err, tx.Rollback(), conn.Close())
		}
		shot = &snapshot{db: v.db, table: t, conn: conn, tx: tx, scan: tx.StmtContext(ctx, v.scan), totals: tx.StmtContext(ctx, v.totals)}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return shot, nil
}

// Scan implements projection.Snapshot, sorted by stream. The cursor is the last stream.
func (s *snapshot) Scan(ctx context.Context, cursor string, limit int) ([]projection.Record, string, error) {
	if err := checkLimit(limit); err != nil {
		return nil, "", s.failed(ctx, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rows, err := s.scan.QueryContext(ctx, cursor, limit)
	records, err := readRecords(rows, err)
	if err != nil {
		return nil, "", s.failed(ctx, err)
	}
	if len(records) < limit {
		return records, "", nil
	}
	return records, records[len(records)-1].Stream, nil
}

// Totals implements projection.Snapshot.
func (s *snapshot) Totals(ctx context.Context) (map[string]map[string]int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows, err := s.totals.QueryContext(ctx)
	totals, err := readTotals(rows, err)
	return totals, s.failed(ctx, err)
}

func (s *snapshot) failed(ctx context.Context, err error) error {
	return s.db.failed(ctx, fmt.Sprintf("reading a snapshot of %s", s.table), err)
}

// Close implements projection.Snapshot. It may be called again.
func (s *snapshot) Close() error {
	err := s.tx.Rollback()
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return s.failed(context.Background(), errors.Join(err, s.conn.Close()))
}
