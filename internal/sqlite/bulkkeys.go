package sqlite

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"
)

// placeSeparator comes between the bucket and the sort text of a key: the smallest byte, so
// that keys are in the order of both.
const placeSeparator = "\x00"

// maxRunBytes is load.runBytes outside of tests.
const maxRunBytes = 8 << 20

// keyRun is keys of an index with the numbers of their rows, until they are sorted and
// written.
type keyRun struct {
	texts   []byte
	entries []keyEntry
	mixed   bool // they did not come in their order
}

type keyEntry struct{ start, end, number uint32 }

const keyEntryBytes = 12

func (k *keyRun) bytes() int { return len(k.texts) + keyEntryBytes*len(k.entries) }

func (k *keyRun) reset() { k.texts, k.entries, k.mixed = k.texts[:0], k.entries[:0], false }

func (k *keyRun) text(e keyEntry) []byte { return k.texts[e.start:e.end] }

// add adds a key, the numbers of which ascend.
func (k *keyRun) add(number uint32, texts ...string) {
	e := keyEntry{start: uint32(len(k.texts)), number: number}
	for _, text := range texts {
		k.texts = append(k.texts, text...)
	}
	e.end = uint32(len(k.texts))
	if n := len(k.entries); n > 0 && !k.mixed {
		k.mixed = bytes.Compare(k.text(k.entries[n-1]), k.text(e)) > 0
	}
	k.entries = append(k.entries, e)
}

// writeTo writes the keys in their order, each with its length before and the number after.
func (k *keyRun) writeTo(w *bufio.Writer) (written int64, err error) {
	if k.mixed {
		slices.SortFunc(k.entries, func(a, b keyEntry) int {
			return cmp.Or(bytes.Compare(k.text(a), k.text(b)), cmp.Compare(a.number, b.number))
		})
	}
	var head [8]byte
	for _, e := range k.entries {
		binary.LittleEndian.PutUint32(head[:], e.end-e.start)
		binary.LittleEndian.PutUint32(head[4:], e.number)
		w.Write(head[:]) //nolint:errcheck // the next write says so too
		if _, err := w.Write(k.text(e)); err != nil {
			return 0, err
		}
		written += int64(len(head)) + int64(e.end-e.start)
	}
	return written, nil
}

// run is sorted keys in a file.
type run struct {
	Offset int64 `json:"offset"`
	Bytes  int64 `json:"bytes"`
	Keys   int   `json:"keys"`
}

// runReader reads a run key by key.
type runReader struct {
	file  *os.File
	in    *bufio.Reader
	left  int
	first int64 // the row id of number 0

	key   []byte
	rowID int64
}

const runBuffer = 64 << 10

func newRunReader(file *os.File, r run, first int64) *runReader {
	return &runReader{file: file, in: bufio.NewReaderSize(io.NewSectionReader(file, r.Offset, r.Bytes), runBuffer), left: r.Keys, first: first}
}

// next reads the next key; false after the last.
func (r *runReader) next() (bool, error) {
	if r.left == 0 {
		return false, nil
	}
	r.left--
	head, err := r.in.Peek(8)
	if err == nil {
		size := int(binary.LittleEndian.Uint32(head))
		r.rowID = r.first + int64(binary.LittleEndian.Uint32(head[4:]))
		r.in.Discard(8) //nolint:errcheck // they were peeked at
		r.key = slices.Grow(r.key[:0], min(size, runBuffer))[:min(size, runBuffer)]
		_, err = io.ReadFull(r.in, r.key)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = damaged(r.file.Name(), "it ends too early")
	}
	return err == nil, err
}

// before is the order of an index: by key, then by row id.
func (r *runReader) before(other *runReader) bool {
	if c := bytes.Compare(r.key, other.key); c != 0 {
		return c < 0
	}
	return r.rowID < other.rowID
}

// mergeRuns calls f with the keys of all runs, in their order.
func mergeRuns(runs []*runReader, f func(key []byte, rowID int64) error) error {
	heap := make([]*runReader, 0, len(runs)) // the reader with the smallest key is first
	for _, r := range runs {
		ok, err := r.next()
		if err != nil {
			return err
		}
		if ok {
			heap = append(heap, r)
		}
	}
	for i := len(heap)/2 - 1; i >= 0; i-- {
		sink(heap, i)
	}
	for len(heap) > 0 {
		if err := f(heap[0].key, heap[0].rowID); err != nil {
			return err
		}
		ok, err := heap[0].next()
		if err != nil {
			return err
		}
		if !ok {
			heap[0] = heap[len(heap)-1]
			heap = heap[:len(heap)-1]
		}
		sink(heap, 0)
	}
	return nil
}

// sink moves the reader at i down to where it belongs.
func sink(heap []*runReader, i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(heap); child++ {
			if heap[child].before(heap[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		heap[i], heap[least] = heap[least], heap[i]
		i = least
	}
}
