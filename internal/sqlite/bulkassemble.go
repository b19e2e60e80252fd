package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"gakushoku/internal/projection"
	"gakushoku/internal/sqlite/btree"
)

// filledSchema is the layout of a table that a bulk replay fills. Its rows have row ids, in
// the order in which they came, so that rows of one day lie near each other.
const filledSchema = `
CREATE TABLE records (
  stream  TEXT NOT NULL,
  version INTEGER NOT NULL,
  writes  INTEGER NOT NULL,
  bucket  TEXT,
  sort    TEXT,
  parked  TEXT,
  data    TEXT
) STRICT;
CREATE UNIQUE INDEX records_by_stream ON records (stream);` + recordsIndexes + totalsSchema + partsSchema

// unsafely is how a file is written that counts only once it is whole.
const unsafely = "_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)&_pragma=cache_size(-16000)"

// enteredPart is a part whose rows are in files.
type enteredPart struct {
	attempt int64
	layout  layout
	rows    *os.File
	keys    *os.File
	pages   btree.Range
}

// parts lists the parts that are in files. It runs in a transaction.
func (l *load) parts(ctx context.Context) ([]*enteredPart, error) {
	rows, err := l.db.write.QueryContext(ctx, "SELECT attempt, layout FROM parts WHERE layout IS NOT NULL ORDER BY attempt")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var parts []*enteredPart
	for rows.Next() {
		p := new(enteredPart)
		var encoded []byte
		if err := rows.Scan(&p.attempt, &encoded); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(encoded, &p.layout); err != nil {
			return nil, damaged(l.db.path, err.Error())
		}
		parts = append(parts, p)
	}
	return parts, errors.Join(rows.Err(), rows.Close())
}

// assemble makes the file that is the table, and gives it its name when all of it is there.
func (l *load) assemble(ctx context.Context, parts []*enteredPart) (err error) {
	for _, p := range parts {
		if err := p.open(l.dir); err != nil {
			return err
		}
		defer p.close()
	}
	path := filepath.Join(l.dir, "assembled.db")
	roots, err := makeSkeleton(ctx, path)
	if err != nil {
		return err
	}
	if err := layPages(ctx, path, roots, parts); err != nil {
		return err
	}
	if err := l.complete(ctx, path, parts); err != nil {
		return err
	}
	return publish(path, l.filled)
}

func (p *enteredPart) open(dir string) (err error) {
	if p.rows, err = os.Open(partFile(dir, p.attempt, "rows")); err != nil {
		return err
	}
	p.keys, err = os.Open(partFile(dir, p.attempt, "keys"))
	if err != nil {
		p.rows.Close()
		return err
	}
	info, err := p.rows.Stat()
	if err == nil && info.Size() != int64(p.layout.Leaves)*btree.PageSize {
		err = damaged(p.rows.Name(), fmt.Sprintf("it has %d bytes, not %d pages", info.Size(), p.layout.Leaves))
	}
	return err
}

func (p *enteredPart) close() {
	p.rows.Close()
	p.keys.Close()
}

// roots are the pages of an empty file at which its trees begin.
type roots struct{ records, streams, places, end uint32 }

// makeSkeleton lets SQLite make a file with everything but rows.
func makeSkeleton(ctx context.Context, path string) (r roots, err error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return r, err
	}
	db, err := sql.Open("sqlite", dsn(path, fmt.Sprintf("_pragma=page_size(%d)&%s", btree.PageSize, unsafely)))
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=1; %s", tableFile, filledSchema)); err != nil {
		return r, err
	}
	const look = "SELECT max(iif(name = 'records', rootpage, 0)), max(iif(name = 'records_by_stream', rootpage, 0)), max(iif(name = 'records_by_place', rootpage, 0)), (SELECT page_count FROM pragma_page_count) FROM sqlite_master"
	err = db.QueryRowContext(ctx, look).Scan(&r.records, &r.streams, &r.places, &r.end)
	return r, err
}

// layPages copies the pages of all parts behind those of the skeleton, and builds the indexes
// and the tree of the table at the same time.
func layPages(ctx context.Context, path string, roots roots, parts []*enteredPart) (err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	pages := btree.NewPages(file, roots.end+1)
	leaves := 0
	for _, p := range parts {
		leaves += p.layout.Leaves
	}
	table := btree.NewTable(pages, roots.records)
	if leaves > 1 {
		for _, p := range parts {
			p.pages = pages.Reserve(p.layout.Leaves)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if leaves == 1 {
			return copyOnlyPage(path, roots.records, parts)
		}
		return copyPages(ctx, path, parts)
	})
	group.Go(func() error {
		return buildIndex(ctx, btree.NewIndex(pages, roots.streams), parts, streamRuns, streamEntries())
	})
	group.Go(func() error {
		return buildIndex(ctx, btree.NewIndex(pages, roots.places), parts, placeRuns, placeEntry)
	})
	if leaves > 1 {
		group.Go(func() error { return buildTable(table, parts) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	var size [4]byte
	binary.BigEndian.PutUint32(size[:], pages.End())
	_, err = file.WriteAt(size[:], 28) // the size of the file in pages
	return err
}

// copyPages copies the leaf pages of each part to their place.
func copyPages(ctx context.Context, path string, parts []*enteredPart) error {
	const chunk = 2048 // pages, between two looks at ctx
	out, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer out.Close()
	for _, p := range parts {
		for done := 0; done < p.layout.Leaves; {
			if err := ctx.Err(); err != nil {
				return err
			}
			count, first := min(chunk, p.layout.Leaves-done), p.pages.Nth(done)
			if first < btree.LockPage {
				count = min(count, int(btree.LockPage-first))
			}
			if _, err := out.Seek(int64(first-1)*btree.PageSize, io.SeekStart); err != nil {
				return err
			}
			if _, err := io.CopyN(out, p.rows, int64(count)*btree.PageSize); err != nil {
				return err
			}
			done += count
		}
	}
	return out.Close()
}

// copyOnlyPage puts the one leaf that all parts have together where the table begins.
func copyOnlyPage(path string, root uint32, parts []*enteredPart) error {
	out, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer out.Close()
	for _, p := range parts {
		if _, err := io.Copy(io.NewOffsetWriter(out, int64(root-1)*btree.PageSize), p.rows); err != nil {
			return err
		}
	}
	return out.Close()
}

// buildTable builds the tree above the leaf pages of all parts.
func buildTable(table *btree.Table, parts []*enteredPart) error {
	for _, p := range parts {
		counts := make([]uint16, p.layout.Leaves)
		if err := binary.Read(io.NewSectionReader(p.keys, p.layout.Counts, 2*int64(len(counts))), binary.LittleEndian, counts); err != nil {
			return damaged(p.keys.Name(), err.Error())
		}
		last := p.attempt<<rowIDBits - 1
		for i, count := range counts {
			last += int64(count)
			table.Add(p.pages.Nth(i), last)
		}
	}
	return table.Close()
}

func streamRuns(l *layout) []run { return l.Streams }
func placeRuns(l *layout) []run  { return l.Places }

// buildIndex merges the keys of all parts into an index.
func buildIndex(ctx context.Context, x *btree.Index, parts []*enteredPart, runs func(*layout) []run, entry func(r *btree.Record, key []byte) error) error {
	var readers []*runReader
	for _, p := range parts {
		for _, r := range runs(&p.layout) {
			readers = append(readers, newRunReader(p.keys, r, p.attempt<<rowIDBits))
		}
	}
	var record btree.Record
	n := 0
	err := mergeRuns(readers, func(key []byte, rowID int64) error {
		if n++; n%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		record.Reset()
		if err := entry(&record, key); err != nil {
			return err
		}
		record.Int(rowID)
		return x.Add(record.Bytes())
	})
	if err != nil {
		return err
	}
	return x.Close()
}

// streamEntries makes entries of the index of streams, which has each once.
func streamEntries() func(*btree.Record, []byte) error {
	var last []byte
	return func(r *btree.Record, key []byte) error {
		if last != nil && bytes.Equal(last, key) {
			return fmt.Errorf("there are two rows of %s: the parts do not belong together", key)
		}
		last = append(last[:0], key...)
		r.TextBytes(key)
		return nil
	}
}

// placeEntry makes an entry of the index of places.
func placeEntry(r *btree.Record, key []byte) error {
	bucket, sort, _ := bytes.Cut(key, []byte(placeSeparator))
	r.TextBytes(bucket)
	r.TextBytes(sort)
	return nil
}

// complete puts into the file what is not in leaf pages: odd rows, totals, the names of the
// parts, and rows that were written before all parts were in.
func (l *load) complete(ctx context.Context, path string, parts []*enteredPart) (err error) {
	db, err := sql.Open("sqlite", dsn(path, unsafely))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	const copies = `
BEGIN;
INSERT INTO totals SELECT key, field, amount FROM loaded.totals;
INSERT INTO parts (name, rows) SELECT name, rows FROM loaded.parts;
INSERT INTO records (stream, version, writes, bucket, sort, parked, data)
  SELECT stream, version, writes, bucket, sort, parked, data FROM loaded.records WHERE true` + newerWins
	if _, err := conn.ExecContext(ctx, "ATTACH ? AS loaded", "file:"+escapePath(l.db.path)); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, copies); err != nil {
		return err
	}
	if err := insertOdd(ctx, conn, l.dir, parts); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, "COMMIT; DETACH loaded")
	return err
}

// insertOdd puts in the rows that are not in leaf pages.
func insertOdd(ctx context.Context, conn *sql.Conn, dir string, parts []*enteredPart) error {
	statement, err := conn.PrepareContext(ctx, mergeRecord)
	if err != nil {
		return err
	}
	defer statement.Close()
	for _, p := range parts {
		if p.layout.Odd == 0 {
			continue
		}
		file, err := os.Open(partFile(dir, p.attempt, "odd"))
		if err != nil {
			return err
		}
		defer file.Close()
		in := json.NewDecoder(file)
		for range p.layout.Odd {
			var r projection.Record
			if err := in.Decode(&r); err != nil {
				return damaged(file.Name(), err.Error())
			}
			if err := errors.Join(mergeRow(statement, &r), ctx.Err()); err != nil {
				return err
			}
		}
	}
	return nil
}

// publish makes a file last and gives it its name.
func publish(path, name string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(path, name); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(name))
}
