package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"gakushoku/internal/projection"
)

var _ projection.Sink = (*Tables)(nil)

// A bulk replay fills a table version without SQLite's own row-by-row work. Each part is laid
// out as finished pages in files of its own, by its own caller and beside all others; the file
// of the table version, still empty, only notes that the part is in, and keeps its totals.
// Finish puts the pages of all parts into a new file, builds the indexes above them by merging
// keys that each part has sorted, and gives that file its name: from then on it is the table.
// Nothing is ever changed in place, so whoever dies, comes twice or comes too late does no
// harm, and nothing is acknowledged that a loss of power could take back.

// partsSchema is added to the file of a table version by its first part. attempt and layout say
// where the rows of a part are; both are NULL when they were put into the table itself.
const partsSchema = `
CREATE TABLE IF NOT EXISTS parts (
  name    TEXT PRIMARY KEY,
  rows    INTEGER NOT NULL,
  attempt INTEGER,
  layout  TEXT
) STRICT, WITHOUT ROWID;`

// maxPartName is how many bytes the name of a part may have, as in DynamoDB.
const maxPartName = 1000

// errInUse says that a table has rows already, so that a part goes into it row by row.
var errInUse = errors.New("the table is in use already")

// PutPart is projection.Sink.
func (s *Tables) PutPart(ctx context.Context, t projection.Table, part projection.BulkPart) (rows int, err error) {
	if part.Name == "" || len(part.Name) > maxPartName {
		return 0, fmt.Errorf("putting a part into %s: a part's name has 1 to %d bytes", t, maxPartName)
	}
	doing := "putting part " + part.Name + " into"
	put := func(l *load) error {
		rows, err = l.put(ctx, part)
		return err
	}
	err = s.loading(ctx, t, doing, put)
	if errors.Is(err, fs.ErrNotExist) {
		// Another process has put this part too and finished the table, and the files are gone.
		err = s.loading(ctx, t, doing, put)
	}
	if errors.Is(err, errInUse) {
		rows, err = s.putLate(ctx, t, doing, part)
	}
	return rows, err
}

// put lays a part out in files and then notes that it is in.
func (l *load) put(ctx context.Context, part projection.BulkPart) (rows int, err error) {
	rows, done, err := l.begin(ctx, part.Name)
	if err != nil || done {
		return rows, err
	}
	files, err := createPartFiles(l.dir, l.runBytes)
	if err != nil {
		return 0, err
	}
	rows, err = files.fill(ctx, part.Rows)
	if err == nil {
		err = files.close()
	}
	if err == nil {
		rows, done, err = l.enter(ctx, part, rows, files)
	}
	if err != nil || done {
		files.remove()
	}
	return rows, err
}

// begin looks whether a part is in already, or the table in use.
func (l *load) begin(ctx context.Context, name string) (rows int, done bool, err error) {
	err = l.db.transactPatiently(ctx, func() error {
		if _, err := l.db.write.ExecContext(ctx, partsSchema); err != nil {
			return err
		}
		if rows, done, err = findPart(ctx, l.db, name); done || err != nil {
			return err
		}
		return l.unused(ctx)
	})
	return rows, done, err
}

// enter notes that a part is in and adds its totals, unless another attempt was faster.
func (l *load) enter(ctx context.Context, part projection.BulkPart, rows int, files *partFiles) (_ int, done bool, err error) {
	layout, err := json.Marshal(files.layout)
	if err != nil {
		return 0, false, fmt.Errorf("encoding where the rows are: %w", err)
	}
	totals := part.Totals()
	err = l.db.transactPatiently(ctx, func() error {
		var others int
		if others, done, err = findPart(ctx, l.db, part.Name); done || err != nil {
			rows = others
			return err
		}
		if err := l.unused(ctx); err != nil {
			return err
		}
		for _, d := range totals {
			if _, err := l.db.write.ExecContext(ctx, addTotal, d.Key, d.Field, d.Amount); err != nil {
				return err
			}
		}
		_, err := l.db.write.ExecContext(ctx, "INSERT INTO parts (name, rows, attempt, layout) VALUES (?, ?, ?, ?)", part.Name, rows, files.attempt, string(layout))
		return errors.Join(err, ctx.Err())
	})
	return rows, done, err
}

// findPart looks for a part that is in. It runs in a transaction.
func findPart(ctx context.Context, d *database, name string) (rows int, found bool, err error) {
	err = d.write.QueryRowContext(ctx, "SELECT rows FROM parts WHERE name = ?", name).Scan(&rows)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return rows, err == nil, err
}

// putLate puts a part into a table that is in use, row by row. No rebuild does so: it finishes
// a table when all parts are in.
func (s *Tables) putLate(ctx context.Context, t projection.Table, doing string, part projection.BulkPart) (rows int, err error) {
	var broken error // of the part's rows, which speak for themselves
	err = s.with(ctx, t, doing, func(v *tableVersion) error {
		return v.db.transactPatiently(ctx, func() (err error) {
			rows, broken, err = v.putPart(ctx, part)
			return errors.Join(broken, err)
		})
	})
	if broken != nil {
		return 0, fmt.Errorf("%s %s: %w", doing, t, broken)
	}
	return rows, err
}

// putPart runs in a transaction. broken is the error of the part's own rows.
func (v *tableVersion) putPart(ctx context.Context, part projection.BulkPart) (rows int, broken, err error) {
	if _, err := v.db.write.ExecContext(ctx, partsSchema); err != nil {
		return 0, nil, err
	}
	rows, found, err := findPart(ctx, v.db, part.Name)
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
		if err := mergeRow(v.mergeRecord, &r); err != nil {
			return 0, nil, err
		}
		rows++
	}
	for _, d := range part.Totals() {
		if _, err := v.addTotal.Exec(d.Key, d.Field, d.Amount); err != nil {
			return 0, nil, err
		}
	}
	_, err = v.db.write.ExecContext(ctx, "INSERT INTO parts (name, rows) VALUES (?, ?)", part.Name, rows)
	return rows, nil, err
}

func checkRow(r *projection.Record) error {
	if r.Stream == "" {
		return errors.New("a row has no stream")
	}
	return nil
}
