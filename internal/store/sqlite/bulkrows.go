package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"unsafe"

	"gakushoku/internal/engine/projection"
)

const (
	bulkBatch   = 100 // rows per INSERT
	bulkColumns = 8   // columns of a row that vary
	bulkAhead   = 2   // batches that wait to be inserted
)

const bulkInsert = "INSERT INTO records (stream, version, writes, bucket, sort, parked, due, task, data) VALUES "

// batch is a number of rows as the arguments of one INSERT.
type batch struct {
	args  []any
	rows  int
	texts []byte // copies of the rows' data, since the source may reuse its memory
	ends  []int  // end of each row's data in texts; -1 for a row without data
	err   error  // the error that ended the rows early
}

// insertRows inserts rows into the table of a load, inside a transaction. A goroutine makes the next rows
// while others are inserted; it ends with the call. broken is the error of rows.
func insertRows(ctx context.Context, conn *sql.Conn, rows iter.Seq2[projection.Record, error]) (n int, broken, err error) {
	many, err := conn.PrepareContext(ctx, bulkInsert+strings.Repeat("(?,?,1,?,?,?,?,?,?),", bulkBatch-1)+"(?,?,1,?,?,?,?,?,?)")
	if err != nil {
		return 0, nil, err
	}
	defer many.Close()
	one, err := conn.PrepareContext(ctx, bulkInsert+"(?,?,1,?,?,?,?,?,?)")
	if err != nil {
		return 0, nil, err
	}
	defer one.Close()

	ctx, cancel := context.WithCancel(ctx)
	full, empty := make(chan *batch, bulkAhead), make(chan *batch, bulkAhead+2)
	for range cap(empty) {
		empty <- new(batch)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(full)
		makeBatches(ctx, rows, empty, full)
	}()
	defer func() {
		cancel()
		<-ended
	}()
	for b := range full {
		if b.err != nil {
			return 0, b.err, nil
		}
		if err := b.insert(many, one); err != nil {
			return 0, nil, err
		}
		n += b.rows
		empty <- b
	}
	return n, nil, ctx.Err()
}

// makeBatches fills empty batches with rows and passes them on, until the rows or ctx end.
func makeBatches(ctx context.Context, rows iter.Seq2[projection.Record, error], empty <-chan *batch, full chan<- *batch) {
	take := func() *batch {
		select {
		case b := <-empty:
			b.reset()
			return b
		case <-ctx.Done():
			return nil
		}
	}
	hand := func(b *batch) bool {
		b.settle()
		select {
		case full <- b:
			return true
		case <-ctx.Done():
			return false
		}
	}
	b := take()
	for r, err := range rows {
		if b == nil || ctx.Err() != nil {
			return
		}
		if err == nil {
			err = b.add(&r)
		}
		if err != nil {
			b.err = err
			hand(b)
			return
		}
		if b.rows == bulkBatch {
			if !hand(b) {
				return
			}
			b = take()
		}
	}
	if b != nil && b.rows > 0 {
		hand(b)
	}
}

func (b *batch) reset() {
	b.args, b.rows, b.texts, b.ends, b.err = b.args[:0], 0, b.texts[:0], b.ends[:0], nil
}

// add adds a row. Its data becomes an argument only in settle, since texts moves while it grows.
func (b *batch) add(r *projection.Record) error {
	if err := checkRow(r); err != nil {
		return err
	}
	var bucket, sort, parked any
	if r.Visible() && r.Place.Bucket != "" {
		bucket, sort = r.Place.Bucket, r.Place.Sort
	}
	if r.Parked != nil {
		encoded, err := json.Marshal(r.Parked)
		if err != nil {
			return fmt.Errorf("encoding why %s is parked: %w", r.Stream, err)
		}
		parked = string(encoded)
	}
	due, task, err := taskValues(r)
	if err != nil {
		return err
	}
	b.args = append(b.args, r.Stream, int64(r.Version), bucket, sort, parked, due, task, nil)
	end := -1
	if r.Data != nil {
		b.texts = append(b.texts, r.Data...)
		end = len(b.texts)
	}
	b.ends = append(b.ends, end)
	b.rows++
	return nil
}

// settle makes arguments of the rows' data. They point into texts, so the batch must not be reset before it
// has been inserted.
func (b *batch) settle() {
	start := 0
	for i, end := range b.ends {
		if end < 0 {
			continue
		}
		text := b.texts[start:end]
		b.args[i*bulkColumns+bulkColumns-1] = unsafe.String(unsafe.SliceData(text), len(text))
		start = end
	}
}

// insert inserts the rows with one statement if the batch is full, otherwise one by one.
func (b *batch) insert(many, one *sql.Stmt) error {
	if b.rows == bulkBatch {
		_, err := many.Exec(b.args...)
		return err
	}
	for i := range b.rows {
		if _, err := one.Exec(b.args[i*bulkColumns : (i+1)*bulkColumns]...); err != nil {
			return err
		}
	}
	return nil
}
