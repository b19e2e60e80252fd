package sqlite

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"gakushoku/internal/projection"
	"gakushoku/internal/sqlite/btree"
)

// partFiles are the files of one attempt at a part: its rows as leaf pages of the table, the
// keys of its rows for both indexes in sorted runs, and, as JSON, the odd rows that are put in
// by SQLite itself. The row ids of an attempt follow each other from attempt<<32.
type partFiles struct {
	dir      string
	attempt  int64
	runBytes int
	layout   layout

	rows, keys, odd  *os.File // odd is made when it is needed
	rowsOut, keysOut *bufio.Writer
	keysAt           int64 // how much was written to keysOut
	leaves           *btree.Leaves
	record           btree.Record
	streams, places  keyRun
}

// layout says what is where in the files of an attempt.
type layout struct {
	Rows    int   `json:"rows"`    // that are in leaf pages
	Leaves  int   `json:"leaves"`  // pages
	Counts  int64 `json:"counts"`  // where in the keys the number of rows of each page is
	Streams []run `json:"streams"` // sorted keys for the index of streams
	Places  []run `json:"places"`  // and for that of places
	Odd     int   `json:"odd"`     // rows that are not in leaf pages
}

const (
	fileBuffer = 256 << 10
	rowIDBits  = 32 // of the number of a row within its attempt
)

func partFile(dir string, attempt int64, what string) string {
	return filepath.Join(dir, fmt.Sprintf("%d.%s", attempt, what))
}

// createPartFiles begins an attempt. Its number is one that no other has: that of the file of
// rows, which is made first and removed last.
func createPartFiles(dir string, runBytes int) (*partFiles, error) {
	if err := os.Mkdir(dir, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	newest, err := newestAttempt(dir)
	if err != nil {
		return nil, err
	}
	f := &partFiles{dir: dir, attempt: newest + 1, runBytes: runBytes}
	for ; ; f.attempt++ {
		if f.rows, err = f.create("rows"); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	if err == nil {
		f.keys, err = f.create("keys")
	}
	if err != nil {
		f.remove()
		return nil, err
	}
	f.rowsOut, f.keysOut = bufio.NewWriterSize(f.rows, fileBuffer), bufio.NewWriterSize(f.keys, fileBuffer)
	f.leaves = btree.NewLeaves(f.rowsOut)
	return f, nil
}

// newestAttempt is the largest number of an attempt that has files, 0 when there is none.
func newestAttempt(dir string) (newest int64, err error) {
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		number, _, _ := strings.Cut(entry.Name(), ".")
		if n, err := strconv.ParseInt(number, 10, 31); err == nil {
			newest = max(newest, n)
		}
	}
	return newest, err
}

func (f *partFiles) create(what string) (*os.File, error) {
	return os.OpenFile(partFile(f.dir, f.attempt, what), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
}

// fill writes rows, and counts them.
func (f *partFiles) fill(ctx context.Context, rows iter.Seq2[projection.Record, error]) (n int, err error) {
	for r, err := range rows {
		if err == nil {
			err = checkRow(&r)
		}
		if err != nil {
			return 0, rowsError{err}
		}
		if n%1024 == 0 && ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if err := f.add(&r); err != nil {
			return 0, err
		}
		n++
	}
	return n, ctx.Err()
}

// add writes one row.
func (f *partFiles) add(r *projection.Record) error {
	if isOdd(r) {
		return f.addOdd(r)
	}
	f.record.Reset()
	f.record.Text(r.Stream)
	f.record.Int(int64(r.Version))
	f.record.Int(1) // writes
	if r.Place.Bucket != "" {
		f.record.Text(r.Place.Bucket)
		f.record.Text(r.Place.Sort)
	} else {
		f.record.Null()
		f.record.Null()
	}
	f.record.Null() // parked
	f.record.TextBytes(r.Data)
	payload := f.record.Bytes()
	if len(payload) > btree.MaxTablePayload {
		return f.addOdd(r)
	}
	number := uint32(f.layout.Rows)
	f.layout.Rows++
	if err := f.leaves.Add(f.attempt<<rowIDBits|int64(number), payload); err != nil {
		return err
	}
	return f.addKeys(r, number)
}

func (f *partFiles) addKeys(r *projection.Record, number uint32) error {
	f.streams.add(number, r.Stream)
	if r.Place.Bucket != "" {
		f.places.add(number, r.Place.Bucket, placeSeparator, r.Place.Sort)
	}
	for _, k := range []struct {
		keys *keyRun
		runs *[]run
	}{{&f.streams, &f.layout.Streams}, {&f.places, &f.layout.Places}} {
		if k.keys.bytes() > f.runBytes {
			if err := f.writeRun(k.keys, k.runs); err != nil {
				return err
			}
		}
	}
	return nil
}

// isOdd reports whether a row is left to SQLite: what is rare is not worth pages of our own.
func isOdd(r *projection.Record) bool {
	const overhead = 32 // of an index entry besides its texts, and more
	return r.Parked != nil || r.Data == nil || !r.Visible() ||
		len(r.Stream)+overhead > btree.MaxIndexPayload ||
		len(r.Place.Bucket)+len(r.Place.Sort)+overhead > btree.MaxIndexPayload ||
		strings.Contains(r.Place.Bucket, placeSeparator)
}

func (f *partFiles) addOdd(r *projection.Record) error {
	if f.odd == nil {
		var err error
		if f.odd, err = f.create("odd"); err != nil {
			return err
		}
	}
	f.layout.Odd++
	return json.NewEncoder(f.odd).Encode(r)
}

// writeRun sorts and writes the keys that have come up.
func (f *partFiles) writeRun(keys *keyRun, runs *[]run) error {
	if len(keys.entries) == 0 {
		return nil
	}
	written, err := keys.writeTo(f.keysOut)
	if err != nil {
		return err
	}
	*runs = append(*runs, run{Offset: f.keysAt, Bytes: written, Keys: len(keys.entries)})
	f.keysAt += written
	keys.reset()
	return nil
}

// close writes what is left and makes it last.
func (f *partFiles) close() error {
	counts, err := f.leaves.Close()
	if err != nil {
		return err
	}
	if err := errors.Join(f.writeRun(&f.streams, &f.layout.Streams), f.writeRun(&f.places, &f.layout.Places)); err != nil {
		return err
	}
	f.layout.Leaves, f.layout.Counts = len(counts), f.keysAt
	if err := binary.Write(f.keysOut, binary.LittleEndian, counts); err != nil {
		return err
	}
	if err := errors.Join(f.rowsOut.Flush(), f.keysOut.Flush()); err != nil {
		return err
	}
	for _, file := range []*os.File{f.rows, f.keys, f.odd} {
		if file == nil {
			continue
		}
		if err := errors.Join(file.Sync(), file.Close()); err != nil {
			return err
		}
	}
	return syncFolder(f.dir)
}

// remove removes the files of an attempt that has failed, or was not needed. What is left of
// it goes with the folder.
func (f *partFiles) remove() {
	for _, one := range []struct {
		what string
		file *os.File
	}{{"odd", f.odd}, {"keys", f.keys}, {"rows", f.rows}} {
		if one.file != nil {
			one.file.Close()                                //nolint:errcheck // it may be closed
			os.Remove(partFile(f.dir, f.attempt, one.what)) //nolint:errcheck // see above
		}
	}
}

// syncFolder makes the names in a folder last.
func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
