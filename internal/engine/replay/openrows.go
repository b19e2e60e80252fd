package replay

import (
	"encoding/binary"
	"reflect"
	"unsafe"

	"gakushoku/internal/engine/replay/rowpack"
	"gakushoku/internal/model"
)

// openRows is how many rows of a partition are kept unpacked. The events of one order are
// near each other in a log, so most of them find their row open.
const openRows = 256

// rows keeps the rows of a partition, packed, and some of them open.
type rows struct {
	packer *rowpack.Packer
	table  rowpack.Table
	newRow func() model.Row
	opened []openRow // by hash: a row has one place
	packed []byte
}

// openRow is a row that can be read and changed. Its strings may share memory with its packed
// form, which stays as it is until the row is closed.
type openRow struct {
	state
	hash    uint32
	stream  string
	name    []byte // the memory of stream
	row     model.Row
	changed bool
}

// state is what is kept beside a row.
type state struct {
	version uint64 // of the last event in the row; 0: there is no row
	first   int64  // the line of the event that made the row
}

func newRows(d model.Projection) (rows, error) {
	packer, err := rowpack.NewPacker(d.NewRow())
	return rows{packer: packer, newRow: d.NewRow, opened: make([]openRow, openRows)}, err
}

// open is the row of a stream, for as long as no other one is opened.
func (r *rows) open(stream string, hash uint32) *openRow {
	o := &r.opened[hash>>16%openRows]
	if o.hash == hash && o.stream == stream {
		return o
	}
	r.close(o)
	entry := r.table.Get(stream, hash)
	if o.row == nil {
		o.row = r.newRow()
	} else if entry.Value == nil {
		reflect.ValueOf(o.row).Elem().SetZero()
	}
	o.state = state{}
	if entry.Value != nil {
		var packed []byte
		o.state, packed = readState(entry.Value)
		r.packer.Unpack(packed, entry.Key, o.row)
	}
	o.name = append(o.name[:0], stream...)
	o.stream = unsafe.String(unsafe.SliceData(o.name), len(o.name))
	o.hash = hash
	return o
}

// close packs the row if it has changed.
func (r *rows) close(o *openRow) {
	if !o.changed {
		return
	}
	r.packed = binary.AppendUvarint(r.packed[:0], o.version)
	r.packed = binary.AppendUvarint(r.packed, uint64(o.first))
	r.packed = r.packer.Append(r.packed, o.stream, o.row)
	r.table.Put(r.table.Get(o.stream, o.hash), o.stream, o.hash, r.packed)
	o.changed = false
}

// closeAll packs what is open and keeps it open no longer.
func (r *rows) closeAll() {
	for i := range r.opened {
		r.close(&r.opened[i])
	}
	r.opened = nil
}

// readState splits what is stored into the state and the packed row.
func readState(value []byte) (s state, packed []byte) {
	version, n := binary.Uvarint(value)
	first, m := binary.Uvarint(value[n:])
	return state{version, int64(first)}, value[n+m:]
}
