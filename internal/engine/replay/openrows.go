package replay

import (
	"encoding/binary"
	"reflect"
	"unsafe"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/replay/rowpack"
	"gakushoku/internal/model"
)

// openRows is how many rows of a partition are kept unpacked. The events of one stream lie near each other in
// a log, so most of them find their row open.
const openRows = 256

// rows keeps a partition's rows packed, and some of them open.
type rows struct {
	packer *rowpack.Packer
	table  rowpack.Table
	newRow func() model.Row
	opened []openRow // by hash: a row has one slot
	packed []byte
}

// openRow is an unpacked row, to which events can be applied. Its strings may share memory with its packed
// form, which does not change until the row is closed.
type openRow struct {
	projection.Fold
	first   int64 // line of the event that created the row
	hash    uint32
	stream  string
	name    []byte // the memory of stream
	changed bool
}

func newRows(d model.Projection) (rows, error) {
	packer, err := rowpack.NewPacker(d.NewRow())
	return rows{packer: packer, newRow: d.NewRow, opened: make([]openRow, openRows)}, err
}

// open returns a stream's row. It is valid until another row is opened.
func (r *rows) open(stream string, hash uint32) *openRow {
	o := &r.opened[hash>>16%openRows]
	if o.hash == hash && o.stream == stream {
		return o
	}
	r.close(o)
	entry := r.table.Get(stream, hash)
	if o.Row == nil {
		o.Row = r.newRow()
	}
	o.Version, o.first, o.Parked = 0, 0, nil
	if entry.Value != nil {
		o.Version, o.first = r.unpack(entry, o.Row)
	} else {
		reflect.ValueOf(o.Row).Elem().SetZero()
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
	r.packed = binary.AppendUvarint(r.packed[:0], o.Version)
	r.packed = binary.AppendUvarint(r.packed, uint64(o.first))
	r.packed = r.packer.Append(r.packed, o.stream, o.Row)
	r.table.Put(r.table.Get(o.stream, o.hash), o.stream, o.hash, r.packed)
	o.changed = false
}

// closeAll packs and closes all open rows.
func (r *rows) closeAll() {
	for i := range r.opened {
		r.close(&r.opened[i])
	}
	r.opened = nil
}

// unpack reads what close has packed.
func (r *rows) unpack(entry rowpack.Entry, row model.Row) (version uint64, first int64) {
	version, line, packed := readState(entry.Value)
	r.packer.Unpack(packed, entry.Key, row)
	return version, line
}

func readState(value []byte) (version uint64, first int64, packed []byte) {
	version, n := binary.Uvarint(value)
	line, m := binary.Uvarint(value[n:])
	return version, int64(line), value[n+m:]
}
