package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gakushoku/internal/engine/projection"
)

var _ projection.Sink = (*Tables)(nil)

// A bulk replay fills a file beside that of the table version: a table without indexes, so that
// a row only costs its bytes, under a rollback journal, which new pages pass by, where a
// write-ahead log would write each twice. Finish builds the indexes by sorting, which is cheaper
// than keeping them row by row, and gives the file its name: from then on it is the table.
// Everything is in ordinary transactions, so that whoever dies or comes too late does no harm,
// and nothing is acknowledged that a loss of power could take back.

// maxPartName is how many bytes the name of a part may have, as in DynamoDB.
const maxPartName = 1000

// errInUse says that a table has rows already, so that a part goes into it row by row.
var errInUse = errors.New("the table is in use already")

// PutPart is projection.Sink: one transaction for the rows and totals of a part and the note
// that it is in. A part that waits for its turn has not begun to make its rows.
func (s *Tables) PutPart(ctx context.Context, t projection.Table, part projection.BulkPart) (rows int, err error) {
	doing := "putting part " + part.Name + " into"
	if part.Name == "" || len(part.Name) > maxPartName {
		return 0, fmt.Errorf("putting a part into %s: a part's name has 1 to %d bytes", t, maxPartName)
	}
	var broken error // of the part's rows, which speak for themselves
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

// put runs in a transaction. broken is the error of the part's own rows.
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

// putLate puts a part into a table that is in use, row by row, in a transaction. No rebuild
// does so: it finishes a table when all parts are in. broken is the error of the part's own rows.
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

// findPart looks for a part that is in.
func findPart(ctx context.Context, conn *sql.Conn, name string) (rows int, found bool, err error) {
	err = conn.QueryRowContext(ctx, "SELECT rows FROM parts WHERE name = ?", name).Scan(&rows)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return rows, err == nil, err
}

// endPart adds the totals of a part and notes that it is in.
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

// mayLoad is errInUse when a part may not begin a load: the table has rows already.
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

// Finish is projection.Sink.
func (s *Tables) Finish(ctx context.Context, t projection.Table) error {
	err := s.loading(ctx, t, "finishing", func(l *load) error {
		if begun, filled, err := l.progress(); err != nil || filled || !begun {
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

// complete builds the indexes, in a transaction. Rows that the table got before all parts were
// in come along, which no rebuild needs: nobody writes to a table that is not finished.
func (l *load) complete(ctx context.Context) error {
	_, err := l.conn.ExecContext(ctx, fmt.Sprintf("PRAGMA cache_size=-%d; %s", sortingMemory>>10, loadIndexes)+`
INSERT INTO totals SELECT key, field, amount FROM base.totals WHERE true ON CONFLICT (key, field) DO UPDATE SET amount = amount + excluded.amount;
INSERT INTO records (stream, version, writes, data, bucket, sort, parked)
  SELECT stream, version, writes, data, bucket, sort, parked FROM base.records WHERE true `+newerWins)
	return errors.Join(err, ctx.Err())
}
