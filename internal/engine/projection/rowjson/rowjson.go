// Package rowjson writes rows as JSON, so that the author of a projection need not write an encoder.
package rowjson

import (
	"cmp"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
	"unsafe"

	"gakushoku/internal/model"
)

// Append appends a row's JSON, byte for byte as encoding/json writes it. A rebuild encodes every row, and so
// does a verification, to compare; therefore the encoder of a row type is compiled once and reads fields at
// their offsets. Rows hold integers, booleans, strings, instants, structs and slices; Append panics on a type
// that holds anything else.
func Append(dst []byte, row model.Row) []byte {
	v := reflect.ValueOf(row)
	return encoderOf(v.Type().Elem())(dst, v.UnsafePointer())
}

// encoder appends the value at an address.
type encoder func(dst []byte, at unsafe.Pointer) []byte

// encoders caches compiled encoders by type.
var encoders sync.Map

func encoderOf(t reflect.Type) encoder {
	if known, ok := encoders.Load(t); ok {
		return known.(encoder)
	}
	e := compile(t)
	encoders.Store(t, e)
	return e
}

func compile(t reflect.Type) encoder {
	p := reflect.PointerTo(t)
	switch {
	case p.Implements(reflect.TypeFor[encoding.TextAppender]()):
		return textEncoder(t)
	case p.Implements(reflect.TypeFor[json.Marshaler]()), p.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		panic(fmt.Sprintf("a row cannot hold a %s, which writes its own JSON, but has no AppendText", t))
	}
	switch t.Kind() {
	case reflect.String:
		return func(dst []byte, at unsafe.Pointer) []byte { return appendString(dst, *(*string)(at)) }
	case reflect.Int64:
		return func(dst []byte, at unsafe.Pointer) []byte { return strconv.AppendInt(dst, *(*int64)(at), 10) }
	case reflect.Bool:
		return func(dst []byte, at unsafe.Pointer) []byte { return strconv.AppendBool(dst, *(*bool)(at)) }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32:
		return func(dst []byte, at unsafe.Pointer) []byte {
			return strconv.AppendInt(dst, reflect.NewAt(t, at).Elem().Int(), 10)
		}
	case reflect.Uint, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return func(dst []byte, at unsafe.Pointer) []byte {
			return strconv.AppendUint(dst, reflect.NewAt(t, at).Elem().Uint(), 10)
		}
	case reflect.Slice:
		return sliceEncoder(compile(t.Elem()), t.Elem().Size())
	case reflect.Struct:
		return structEncoder(t)
	}
	panic(fmt.Sprintf("a row cannot hold a %s", t))
}

func textEncoder(t reflect.Type) encoder {
	return func(dst []byte, at unsafe.Pointer) []byte {
		dst, err := reflect.NewAt(t, at).Interface().(encoding.TextAppender).AppendText(append(dst, '"'))
		if err != nil {
			panic(fmt.Sprintf("writing a %s: %v", t, err))
		}
		return append(dst, '"')
	}
}

func sliceEncoder(elem encoder, size uintptr) encoder {
	return func(dst []byte, at unsafe.Pointer) []byte {
		list := *(*[]struct{})(at) // any slice has its length and first element at the same place
		if list == nil {
			return append(dst, "null"...)
		}
		first := unsafe.Pointer(unsafe.SliceData(list))
		dst = append(dst, '[')
		for i := range list {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = elem(dst, unsafe.Add(first, uintptr(i)*size))
		}
		return append(dst, ']')
	}
}

// encodedField is one field of a struct.
type encodedField struct {
	offset uintptr
	name   string // quoted, with the colon
	encode encoder
	omit   func(unsafe.Pointer) bool // nil: never
}

func structEncoder(t reflect.Type) encoder {
	fields := fieldsOf(t, 0)
	for i, f := range fields {
		if slices.ContainsFunc(fields[:i], func(other encodedField) bool { return other.name == f.name }) {
			panic(fmt.Sprintf("row %s has two fields that are called %s in JSON", t, f.name))
		}
	}
	return func(dst []byte, at unsafe.Pointer) []byte {
		dst = append(dst, '{')
		empty := len(dst)
		for i := range fields {
			f := &fields[i]
			place := unsafe.Add(at, f.offset)
			if f.omit != nil && f.omit(place) {
				continue
			}
			if len(dst) > empty {
				dst = append(dst, ',')
			}
			dst = f.encode(append(dst, f.name...), place)
		}
		return append(dst, '}')
	}
}

// fieldsOf returns the fields of a struct that stands at an offset. Those of an embedded struct without a
// name in JSON are among them.
func fieldsOf(t reflect.Type, offset uintptr) []encodedField {
	var fields []encodedField
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		name, option, _ := strings.Cut(tag, ",")
		switch {
		case tag == "-":
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			fields = append(fields, fieldsOf(f.Type, offset+f.Offset)...)
		case f.IsExported():
			fields = append(fields, fieldOf(t, f, cmp.Or(name, f.Name), option, offset+f.Offset))
		}
	}
	return fields
}

func fieldOf(t reflect.Type, f reflect.StructField, name, option string, offset uintptr) encodedField {
	encoded := encodedField{offset: offset, name: string(append(appendString(nil, name), ':')), encode: compile(f.Type)}
	switch option {
	case "":
	case "omitempty":
		encoded.omit = emptyOf(f.Type)
	case "omitzero":
		encoded.omit = zeroOf(f.Type)
	default:
		panic(fmt.Sprintf("field %s of row %s: the JSON option %q is not for rows", f.Name, t, option))
	}
	return encoded
}

// emptyOf returns the test for what encoding/json treats as empty in a type.
func emptyOf(t reflect.Type) func(unsafe.Pointer) bool {
	switch t.Kind() {
	case reflect.String:
		return func(at unsafe.Pointer) bool { return len(*(*string)(at)) == 0 }
	case reflect.Slice:
		return func(at unsafe.Pointer) bool { return len(*(*[]struct{})(at)) == 0 }
	case reflect.Struct:
		return nil
	}
	return zeroOf(t)
}

// zeroOf returns the test for what encoding/json treats as zero in a type.
func zeroOf(t reflect.Type) func(unsafe.Pointer) bool {
	type zeroer interface{ IsZero() bool }
	switch {
	case t.Kind() == reflect.Int64:
		return func(at unsafe.Pointer) bool { return *(*int64)(at) == 0 }
	case t.Implements(reflect.TypeFor[zeroer]()):
		return func(at unsafe.Pointer) bool { return reflect.NewAt(t, at).Interface().(zeroer).IsZero() }
	}
	return func(at unsafe.Pointer) bool { return reflect.NewAt(t, at).Elem().IsZero() }
}

// appendString leaves strings that need escaping to encoding/json.
func appendString(dst []byte, s string) []byte {
	if !plain(s) {
		escaped, _ := json.Marshal(s) // a string always encodes
		return append(dst, escaped...)
	}
	return append(append(append(dst, '"'), s...), '"')
}

// plain reports whether encoding/json writes s without escapes.
func plain(s string) bool {
	for i, r := range s {
		switch r {
		case '"', '\\', '<', '>', '&', '\u2028', '\u2029':
			return false
		case utf8.RuneError:
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return false
			}
		}
		if r < ' ' {
			return false
		}
	}
	return true
}
