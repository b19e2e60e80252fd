package event

import (
	"bytes"
	"errors"
	"fmt"
)

// maxKeys bounds the keys of one payload, and of one object in it.
const maxKeys = 12

// Object is a JSON object whose values have been located but not read yet. It keeps the first error, and
// returns zero values from then on. Strings share memory with the event.
type Object struct {
	reader
	keys  []string
	spans [maxKeys]span
}

// Fields are the fields of a payload. They iterate over one array of objects at a time.
type Fields struct {
	Object
	typ   *Type
	item  Object // of the array
	array scanner
	begun string // the array's key while it is being read
	count int    // number of items read so far
}

// Fields locates the fields of e's payload. A payload's Decode method reads them and ends with Err.
func (t *Type) Fields(e *Event) Fields {
	f := Fields{Object: Object{reader: reader{data: e.Payload}, keys: t.keys}, typ: t}
	if e.Schema > t.Schema {
		f.err = fmt.Errorf("schema %d is newer than this program knows (%d): use a newer gakushoku", e.Schema, t.Schema)
		return f
	}
	s := newScanner(e.Payload)
	if s.open('{', "'{', the beginning of the payload") {
		f.find(&s, t.inner)
	}
	s.end()
	f.err = s.err
	return f
}

// find records the positions of an object's values; the last of repeated keys counts. inner are the keys
// that a strict scanner knows in arrays.
func (o *Object) find(s *scanner, inner [][]string) {
	next := 0
	others := s.newNames(o.keys)
	for first := true; s.more(first, '}'); first = false {
		field, ok := s.oneOf(o.keys, next, &others)
		if !ok {
			return
		}
		next = field + 1
		if field == fieldUnknown {
			s.value(1)
			continue
		}
		if inner != nil {
			s.inner = inner[field]
		}
		o.spans[field] = s.value(1)
		s.inner = nil
	}
	others.end(s)
}

// index returns the index of a key, or -1 if the payload's struct does not have it.
func (o *Object) index(key string) int {
	for i, k := range o.keys {
		if unquoted(k) == key {
			return i
		}
	}
	return -1
}

func (o *Object) span(key string) span {
	if i := o.index(key); i >= 0 {
		return o.spans[i]
	}
	return span{}
}

// Fail records err as the outcome, unless there is an error already.
func (o *Object) Fail(err error) { o.fail(err) }

// Required returns a string that must not be missing or empty.
func (o *Object) Required(key string) string {
	text := o.Text(key)
	if text == "" {
		o.fail(errors.New(key + " is missing"))
	}
	return text
}

// Text returns a string, or "" if there is none.
func (o *Object) Text(key string) string { return o.text(key, o.span(key)) }

// Integer returns an integer that must not be missing.
func (o *Object) Integer(key string) int64 { return o.amount(key, o.span(key)) }

// Bool returns a boolean that must not be missing.
func (o *Object) Bool(key string) bool {
	v := o.span(key)
	switch {
	case v.absent():
		o.fail(errors.New(key + " is missing"))
	case v.kind != 't' && v.kind != 'f':
		o.fail(wrongKind(key, v, "true or false"))
	}
	return v.kind == 't'
}

// Texts returns an array of strings, nil if there is none.
func (o *Object) Texts(key string) []string {
	v := o.span(key)
	switch {
	case o.err != nil || v.absent():
		return nil
	case v.kind != '[':
		o.fail(wrongKind(key, v, "an array"))
		return nil
	}
	s := scanner{data: o.data[:v.end], at: int(v.start) + 1}
	var all []string
	for first := true; o.err == nil && s.more(first, ']'); first = false {
		all = append(all, o.text(fmt.Sprintf("%s %d", key, len(all)+1), s.value(1)))
	}
	return all
}

// Instant returns a time, or 0 if there is none.
func (o *Object) Instant(key string) Instant { return o.instant(key, o.span(key)) }

// Err returns the first error, prefixed with the payload's type.
func (f *Fields) Err() error {
	if f.err == nil {
		return nil
	}
	return fmt.Errorf("payload of %s: %w", f.typ.Name, f.err)
}

// ID returns the id of the aggregate, which every payload has.
func (f *Fields) ID() string { return f.Required(f.typ.Kind.Key) }

// Next advances to the next object of an array, which Item then returns. Errors call it noun. Next returns
// false after the last object, and after one that could not be read; Err then returns the error.
func (f *Fields) Next(key, noun string) bool {
	if f.begun != key {
		f.begin(key)
	} else if f.item.err != nil {
		f.fail(fmt.Errorf("%s %d: %w", noun, f.count, f.item.err))
	}
	if f.err != nil || f.array.data == nil || !f.array.more(f.count == 0, ']') {
		f.begun = ""
		return false
	}
	f.count++
	f.item.err = nil
	f.item.spans = [maxKeys]span{}
	if f.array.peek() == '{' {
		f.array.at++
		f.item.find(&f.array, nil)
	} else {
		f.item.fail(wrongKind("a "+noun, f.array.value(1), "an object"))
	}
	return true
}

// begin starts reading an array.
func (f *Fields) begin(key string) {
	f.begun, f.count, f.array = key, 0, scanner{}
	v := f.span(key)
	switch {
	case f.err != nil || v.absent():
	case v.kind != '[':
		f.fail(wrongKind(key, v, "an array"))
	default:
		f.array = scanner{data: f.data[:v.end], at: int(v.start) + 1}
		f.item = Object{reader: reader{data: f.data}, keys: f.typ.inner[f.index(key)]}
	}
}

// Item returns the object that Next has advanced to.
func (f *Fields) Item() *Object { return &f.item }

// Left estimates how many objects of the array are left, this one included: most have one brace each.
func (f *Fields) Left() int {
	const most = 64
	return min(1+bytes.Count(f.array.data[f.array.at:], []byte("{")), most)
}
