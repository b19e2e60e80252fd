// Package rowpack keeps millions of rows in little memory: as bytes, in large blocks without pointers. A bulk
// replay so needs a fifth of the memory of plain rows, and the garbage collector has no pointers to follow. A
// row is unpacked to be changed or read, and packed again.
package rowpack

import (
	"fmt"
	"reflect"
	"unsafe"
)

// kind is how a field is packed.
type kind uint8

const (
	signed   kind = iota // int, int8... int64
	unsigned             // uint, uint8... uint64, bool
	text                 // string
	list                 // slice
)

// field is one value of a row: where it is and how it is packed.
type field struct {
	kind   kind
	size   uintptr // size of an integer in bytes
	offset uintptr
	dict   *dictionary  // of a text
	slice  reflect.Type // of a list
	elem   *plan        // of a list
}

// plan is how values of one type are packed. Structs and arrays are flattened.
type plan struct {
	fields []field
	size   uintptr // size of the type in bytes
}

// planOf returns the plan for t. Rows may consist of integers, strings, structs and slices of them; for other
// types, such as maps and pointers, it returns an error that names the field.
func planOf(t reflect.Type) (*plan, error) {
	p := &plan{size: t.Size()}
	return p, p.add(t, 0, t.String())
}

func (p *plan) add(t reflect.Type, offset uintptr, name string) error {
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		p.fields = append(p.fields, field{kind: signed, size: t.Size(), offset: offset})
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Bool:
		p.fields = append(p.fields, field{kind: unsigned, size: t.Size(), offset: offset})
	case reflect.String:
		p.fields = append(p.fields, field{kind: text, offset: offset, dict: newDictionary()})
	case reflect.Slice:
		elem, err := planOf(t.Elem())
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		p.fields = append(p.fields, field{kind: list, offset: offset, slice: t, elem: elem})
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if err := p.add(f.Type, offset+f.Offset, name+"."+f.Name); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("rows with a %s cannot be packed (%s)", t.Kind(), name)
	}
	return nil
}

// readInt reads the integer at p.
func (f *field) readInt(p unsafe.Pointer) int64 {
	switch f.size {
	case 1:
		return int64(*(*int8)(p))
	case 2:
		return int64(*(*int16)(p))
	case 4:
		return int64(*(*int32)(p))
	}
	return *(*int64)(p)
}

// readUint reads the unsigned integer at p.
func (f *field) readUint(p unsafe.Pointer) uint64 {
	switch f.size {
	case 1:
		return uint64(*(*uint8)(p))
	case 2:
		return uint64(*(*uint16)(p))
	case 4:
		return uint64(*(*uint32)(p))
	}
	return *(*uint64)(p)
}

// write stores an integer at p; for a signed one v has the same bits.
func (f *field) write(p unsafe.Pointer, v uint64) {
	switch f.size {
	case 1:
		*(*uint8)(p) = uint8(v)
	case 2:
		*(*uint16)(p) = uint16(v)
	case 4:
		*(*uint32)(p) = uint32(v)
	default:
		*(*uint64)(p) = v
	}
}
