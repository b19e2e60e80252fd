package rowpack

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"strings"
	"unsafe"
)

// Packer packs and unpacks rows of one type. It learns which strings recur, so only the Packer that packed a
// row can unpack it. It is not safe for concurrent use.
type Packer struct {
	plan *plan
	typ  reflect.Type
}

// NewPacker returns a Packer for the struct type that row points to.
func NewPacker(row any) (*Packer, error) {
	t := reflect.TypeOf(row)
	if t == nil || t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("a row must be a pointer to a struct, not %T", row)
	}
	p, err := planOf(t.Elem())
	if err != nil {
		return nil, err
	}
	return &Packer{plan: p, typ: t}, nil
}

// pointer returns row's address; row must be of the packer's type.
func (p *Packer) pointer(row any) unsafe.Pointer {
	v := reflect.ValueOf(row)
	if v.Type() != p.typ {
		panic(fmt.Sprintf("rowpack: a packer of %s was given a %T", p.typ, row))
	}
	return v.UnsafePointer()
}

// Append appends row in packed form. A string that key ends with, such as an id, takes only a byte or two;
// Unpack needs the same key. The result keeps no memory of the row.
func (p *Packer) Append(dst []byte, key string, row any) []byte {
	return p.plan.append(dst, key, p.pointer(row))
}

// Unpack fills all of row from what Append wrote at the front of data. Row's strings then share memory with
// data and key; its slices' memory is reused.
func (p *Packer) Unpack(data []byte, key string, row any) {
	p.plan.unpack(data, key, p.pointer(row))
}

// The encoding of a string: the low bits of its first number; the rest is a length or a dictionary index.
const (
	literal = iota
	known
	endOfKey
	textBits = 2
)

func textHead(n int, how uint64) uint64 { return uint64(n)<<textBits | how }

// minShared is the length from which a string is compared with the end of the key.
const minShared = 4

func (p *plan) append(dst []byte, key string, row unsafe.Pointer) []byte {
	for i := range p.fields {
		f := &p.fields[i]
		at := unsafe.Add(row, f.offset)
		switch f.kind {
		case signed:
			dst = binary.AppendVarint(dst, f.readInt(at))
		case unsigned:
			dst = binary.AppendUvarint(dst, f.readUint(at))
		case text:
			dst = f.appendText(dst, key, *(*string)(at))
		case list:
			dst = f.appendList(dst, key, at)
		}
	}
	return dst
}

func (f *field) appendText(dst []byte, key, s string) []byte {
	if len(s) >= minShared && len(s) <= len(key) && key[len(key)-1] == s[len(s)-1] && strings.HasSuffix(key, s) {
		return binary.AppendUvarint(dst, textHead(len(s), endOfKey))
	}
	if index, ok := f.dict.index(s); ok {
		return binary.AppendUvarint(dst, textHead(index, known))
	}
	dst = binary.AppendUvarint(dst, textHead(len(s), literal))
	return append(dst, s...)
}

// sliceHeader is Go's layout of a slice.
type sliceHeader struct {
	data     unsafe.Pointer
	len, cap int
}

// appendList writes 0 for a nil slice, otherwise the length plus one and the elements.
func (f *field) appendList(dst []byte, key string, at unsafe.Pointer) []byte {
	s := (*sliceHeader)(at)
	if s.data == nil {
		return append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(s.len)+1)
	for i := range s.len {
		dst = f.elem.append(dst, key, unsafe.Add(s.data, uintptr(i)*f.elem.size))
	}
	return dst
}

func (p *plan) unpack(data []byte, key string, row unsafe.Pointer) []byte {
	for i := range p.fields {
		f := &p.fields[i]
		at := unsafe.Add(row, f.offset)
		switch f.kind {
		case signed:
			v, n := binary.Varint(data)
			f.write(at, uint64(v))
			data = data[n:]
		case unsigned:
			v, n := binary.Uvarint(data)
			f.write(at, v)
			data = data[n:]
		case text:
			*(*string)(at), data = f.unpackText(data, key)
		case list:
			data = f.unpackList(data, key, at)
		}
	}
	return data
}

func (f *field) unpackText(data []byte, key string) (string, []byte) {
	head, n := binary.Uvarint(data)
	data = data[n:]
	size := int(head >> textBits)
	switch head & (1<<textBits - 1) {
	case known:
		return f.dict.words[size], data
	case endOfKey:
		return key[len(key)-size:], data
	}
	return unsafe.String(unsafe.SliceData(data), size), data[size:]
}

func (f *field) unpackList(data []byte, key string, at unsafe.Pointer) []byte {
	head, n := binary.Uvarint(data)
	data = data[n:]
	s := (*sliceHeader)(at)
	if head == 0 {
		*s = sliceHeader{}
		return data
	}
	count := int(head - 1)
	if s.data == nil || s.cap < count {
		fresh := reflect.MakeSlice(f.slice, count, count)
		reflect.NewAt(f.slice, at).Elem().Set(fresh)
	}
	s.len = count
	for i := range count {
		data = f.elem.unpack(data, key, unsafe.Add(s.data, uintptr(i)*f.elem.size))
	}
	return data
}
