package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gakushoku/internal/engine/projection"
)

var _ projection.Sink = (*Tables)(nil)

// A bulk replay fills a file beside that of the table version. Its table has no indexes, so that a row costs
// only its bytes. It uses a rollback journal, which new pages bypass, where a write-ahead log would write
// each page twice. Finish builds the indexes by sorting, which is cheaper than maintaining them row by row,
// and gives the file its final name: from then on it is the table. All writes are ordinary transactions, so a
// process that dies or comes too late does no harm, and no acknowledged write is lost in a power failure.

// maxPartName is the maximum length of a part's name in bytes, as in DynamoDB.
const maxPartName = 1000

// errInUse means that a table already has rows, so that a part is written row by row.
var errInUse = errors.New("the table is in use already")

// PutPart implements projection.Sink: one transaction for a part's rows, its totals, and the note that the
// part is in. A part does not start to make its rows until its turn comes.
func (s *Tables) PutPart(ctx context.Context, t projection.Table, part projection.BulkPart) (rows int, err error) {
	doing := "putting part " + part.Name + " into"
	if part.Name == "" || len(part.Name) > maxPartName {
		return 0, fmt.Errorf("putting a part into %s: a part's name has 1 to %d bytes", t, maxPartName)
	}
	var broken error // error of the part's rows, returned unwrapped
	err = s.loading(ctx, t, doing, func(l *load) error {
		if err := s.mayLoad(ctx, t, l); err != nil {
			return err
		}
		if err := l.open(ctx); err != nil {
			return err
		}
		return l.transact(ctx, func() (err error) {
			rows, broken, err = l.put(ctx, part)
			return errors.Join(broken, err)
		})
	})
	if errors.Is(err, errInUse) {
		err = s.with(ctx, t, doing, func(v *tableVersion) error {
			return v.db.transactPatiently(ctx, func() (err error) {
				rows, broken, err = v.putLate(ctx, part)
				return errors.Join(broken, err)
			})
		})
	}
	if broken != nil {
		return 0, fmt.Errorf("%s %s: %w", doing, t, broken)
	}
	return rows, err
}

// put puts a part, inside a transaction. broken is the error of the part's own rows.
func (l *load) put(ctx context.Context, part projection.BulkPart) (rows int, broken, err error) {
	rows, found, err := findPart(ctx, l.conn, part.Name)
	if found || err != nil {
		return rows, nil, err
	}
	if rows, broken, err = insertRows(ctx, l.conn, part.Rows); broken != nil || err != nil {
		return 0, broken, err
	}
	return rows, nil, endPart(ctx, l.conn, part, rows)
}

// putLate puts a part row by row into a table that is in use, in a transaction. No rebuild does so, since a
// rebuild finishes a table only when all parts are in. broken is the error of the part's own rows.
func (v *tableVersion) putLate(ctx context.Context, part projection.BulkPart) (rows int, broken, err error) {
	if _, err := v.db.write.ExecContext(ctx, partsSchema); err != nil {
		return 0, nil, err
	}
	rows, found, err := findPart(ctx, v.db.write, part.Name)
	if found || err != nil {
		return rows, nil, err
	}
	for r, err := range part.Rows {
		if err == nil {
			err = checkRow(&r)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return 0, err, nil
		}
		if err := v.mergeRow(&r); err != nil {
			return 0, nil, err
		}
		rows++
	}
	return rows, nil, endPart(ctx, v.db.write, part, rows)
}

func checkRow(r *projection.Record) error {
	if r.Stream == "" {
		return errors.New("a row has no stream")
	}
	return nil
}

// findPart looks for the note that a part is in.
func findPart(ctx context.Context, conn *sql.Conn, name string) (rows int, found bool, err error) {
	err = conn.QueryRowContext(ctx, "SELECT rows FROM parts WHERE name = ?", name).Scan(&rows)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return rows, err == nil, err
}

// endPart adds a part's totals and notes that the part is in.
func endPart(ctx context.Context, conn *sql.Conn, part projection.BulkPart, rows int) error {
	statement, err := conn.PrepareContext(ctx, addTotal)
	if err != nil {
		return err
	}
	defer statement.Close()
	for _, d := range part.Totals() {
		if d.Amount == 0 {
			continue
		}
		if _, err := statement.ExecContext(ctx, d.Key, d.Field, d.Amount); err != nil {
			return err
		}
	}
	_, err = conn.ExecContext(ctx, "INSERT INTO parts (name, rows) VALUES (?, ?)", part.Name, rows)
	return errors.Join(err, ctx.Err())
}

// mayLoad returns errInUse if a part may not begin a load because the table already has rows.
func (s *Tables) mayLoad(ctx context.Context, t projection.Table, l *load) error {
	begun, filled, err := l.progress()
	if err != nil || begun && !filled {
		return err
	}
	used := filled
	if !filled {
		err = s.with(ctx, t, "looking into", func(v *tableVersion) error {
			return v.db.read.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM records)").Scan(&used)
		})
	}
	if err == nil && used {
		return errInUse
	}
	return err
}

// Finish implements projection.Sink.
func (s *Tables) Finish(ctx context.Context, t projection.Table) error {
	err := s.loading(ctx, t, "finishing", func(l *load) error {
		if begun, filled, err := l.progress(); err != nil || filled || !begun {
			return err
		}
		if _, err := s.get(ctx, t); err != nil { // which brings an older base to the newest format
			return err
		}
		if err := l.open(ctx); err != nil {
			return err
		}
		if err := l.transact(ctx, func() error { return l.complete(ctx) }); err != nil {
			return err
		}
		return l.transact(ctx, l.publish)
	})
	if errors.Is(err, errInUse) {
		return nil // another process was faster
	}
	return err
}

// complete builds the indexes, in a transaction. It also copies rows that were written to the table before
// all parts were in; no rebuild needs that, since tables have no other writers until they are finished.
func (l *load) complete(ctx context.Context) error {
	_, err := l.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA cache_size=-%d; %s", sortingMemory>>10, loadIndexes)+`
INSERT INTO totals SELECT key, field, amount FROM base.totals WHERE true ON CONFLICT (key, field) DO UPDATE SET amount = amount + excluded.amount;
INSERT INTO records (stream, version, writes, data, bucket, sort, parked, due, task)
  SELECT stream, version, writes, data, bucket, sort, parked, due, task FROM base.records WHERE true `+newerWins)
	return errors.Join(err, ctx.Err())
}
