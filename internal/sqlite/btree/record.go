package btree

import "encoding/binary"

// Record makes the payload of one cell: a header that says of what kind each value is, then
// the values. Its zero value is ready for use; use it again after Reset.
type Record struct {
	kinds, values, whole []byte
}

// Reset begins a new record. What Bytes returned is overwritten.
func (r *Record) Reset() { r.kinds, r.values = r.kinds[:0], r.values[:0] }

// Null adds no value.
func (r *Record) Null() { r.kinds = append(r.kinds, 0) }

// Text adds a text.
func (r *Record) Text(s string) {
	r.kinds = appendVarint(r.kinds, 13+2*uint64(len(s)))
	r.values = append(r.values, s...)
}

// TextBytes is Text of s as it is now.
func (r *Record) TextBytes(s []byte) {
	r.kinds = appendVarint(r.kinds, 13+2*uint64(len(s)))
	r.values = append(r.values, s...)
}

// Int adds a whole number, in as few bytes as SQLite uses for it.
func (r *Record) Int(v int64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(v))
	kind, size := byte(6), 8
	switch {
	case v == 0:
		kind, size = 8, 0
	case v == 1:
		kind, size = 9, 0
	case v == int64(int8(v)):
		kind, size = 1, 1
	case v == int64(int16(v)):
		kind, size = 2, 2
	case v == v<<40>>40:
		kind, size = 3, 3
	case v == int64(int32(v)):
		kind, size = 4, 4
	case v == v<<16>>16:
		kind, size = 5, 6
	}
	r.kinds = append(r.kinds, kind)
	r.values = append(r.values, b[8-size:]...)
}

// Bytes is the record; it is overwritten by the next.
func (r *Record) Bytes() []byte {
	size := uint64(len(r.kinds)) + 1
	if size > 127 { // the header counts its own length
		size++
	}
	r.whole = appendVarint(r.whole[:0], size)
	r.whole = append(r.whole, r.kinds...)
	r.whole = append(r.whole, r.values...)
	return r.whole
}
