package event

import (
	"fmt"
	"math"
	"unicode/utf8"
)

// maxDepth bounds the nesting of values, as encoding/json does, so that no line can exhaust the stack.
const maxDepth = 10_000

// scanner reads one JSON text (exactly RFC 8259) from front to back. Once the text is found to be invalid,
// every method returns false or a zero span, and err says where and why. It exists because a replay spends
// most of its time here: encoding/json is five times slower.
type scanner struct {
	data   []byte
	at     int  // index of the next byte
	strict bool // refuse what programs read differently: repeated keys and halves of surrogate pairs
	seen   [][]byte
	inner  []string // the known keys of objects inside the value being read
	err    error
}

// span is the position of a value in the text. The zero span is an absent value.
type span struct {
	start, end int32 // data[start:end]; including a string's quotes
	kind       byte  // the value's first byte, but '0' for every number
	escaped    bool  // a string with backslashes
}

// absent reports whether the value is missing or null, which mean the same here.
func (v span) absent() bool { return v.kind == 0 || v.kind == 'n' }

// newScanner starts at the front of text. It refuses text that is not UTF-8, so that nothing else has to
// check that.
func newScanner(text []byte) scanner {
	s := scanner{data: text}
	if len(text) > math.MaxInt32 {
		s.failAt(0, "the text is longer than 2 GiB")
	} else if !utf8.Valid(text) {
		s.failAt(firstInvalid(text), "the text is not valid UTF-8")
	}
	return s
}

func firstInvalid(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(text)
}

// failAt records an error, unless there is one already: later errors follow from the first.
func (s *scanner) failAt(at int, format string, args ...any) bool {
	if s.err == nil {
		s.err = fmt.Errorf("byte %d: "+format, append([]any{at + 1}, args...)...)
	}
	return false
}

// unexpected fails at the next byte.
func (s *scanner) unexpected(wanted string) bool {
	if s.at >= len(s.data) {
		return s.failAt(s.at, "expected %s, found the end", wanted)
	}
	r, _ := utf8.DecodeRune(s.data[s.at:])
	return s.failAt(s.at, "expected %s, found %q", wanted, r)
}

// peek returns the next byte that is not white space, or 0 at the end.
func (s *scanner) peek() byte {
	for s.at < len(s.data) {
		c := s.data[s.at]
		if c > ' ' || c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c
		}
		s.at++
	}
	return 0
}

// open steps into an object or an array.
func (s *scanner) open(bracket byte, wanted string) bool {
	if s.err != nil {
		return false
	}
	if s.peek() != bracket {
		return s.unexpected(wanted)
	}
	s.at++
	return true
}

// more steps to the next member or element, or out of the object or array if there is none.
func (s *scanner) more(first bool, closing byte) bool {
	if s.err != nil {
		return false
	}
	c := s.peek()
	switch {
	case c == closing:
		s.at++
		return false
	case first:
		return true
	case c != ',':
		if closing == '}' {
			return s.unexpected("',' or '}'")
		}
		return s.unexpected("',' or ']'")
	}
	s.at++
	return true
}

// fieldUnknown is what oneOf returns for a name that is none of the keys.
const fieldUnknown = -1

// oneOf reads a member's name, stops before its value, and returns the index of the name in keys, which
// are written with quotes and colon. next is the most likely index: programs write the same keys in the
// same order again and again, so guessing saves work. Names that are none of the keys go to others, which
// refuses repeated ones.
func (s *scanner) oneOf(keys []string, next int, others *names) (int, bool) {
	if next < len(keys) && s.expect(keys[next]) {
		return next, true
	}
	at := s.at
	name, ok := s.key()
	if !ok {
		return 0, false
	}
	for i, key := range keys {
		if string(name) == unquoted(key) {
			return i, true
		}
	}
	return fieldUnknown, others.add(s, name, at)
}

// unquoted returns a key without quotes and colon.
func unquoted(key string) string { return key[1 : len(key)-2] }

// expect steps over a key that is spelled exactly like this, or returns false without moving.
func (s *scanner) expect(key string) bool {
	end := s.at + len(key)
	if end > len(s.data) || string(s.data[s.at:end]) != key {
		return false
	}
	s.at = end
	return true
}

// key reads a member's name and stops before its value.
func (s *scanner) key() ([]byte, bool) {
	if s.peek() != '"' {
		return nil, s.unexpected("a key in double quotes")
	}
	v := s.string()
	if s.err != nil {
		return nil, false
	}
	if s.peek() != ':' {
		return nil, s.unexpected("':' after the key")
	}
	s.at++
	name := s.data[v.start+1 : v.end-1]
	if v.escaped {
		name = appendUnescaped(make([]byte, 0, len(name)), name)
	}
	return name, true
}

// end refuses anything but white space in the rest of the text.
func (s *scanner) end() bool {
	if s.err != nil {
		return false
	}
	if s.peek() != 0 || s.at < len(s.data) {
		return s.unexpected("nothing after the value")
	}
	return true
}
