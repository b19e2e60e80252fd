package event

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
)

// value checks the next value of any type and steps over it. depth is the number of objects and arrays
// around it.
func (s *scanner) value(depth int) span {
	switch s.peek() {
	case '"':
		return s.string()
	case '{':
		return s.object(depth)
	case '[':
		return s.array(depth)
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return s.number()
	}
	s.unexpected("a value")
	return span{}
}

func (s *scanner) object(depth int) span {
	start := s.at
	if !s.enter(depth) {
		return span{}
	}
	seen := s.newNames(s.inner)
	for first := true; s.more(first, '}'); first = false {
		at := s.at
		if name, ok := s.key(); ok && seen.add(s, name, at) {
			s.value(depth + 1)
		}
	}
	seen.end(s)
	return s.from(start, '{')
}

func (s *scanner) array(depth int) span {
	start := s.at
	if !s.enter(depth) {
		return span{}
	}
	for first := true; s.more(first, ']'); first = false {
		s.value(depth + 1)
	}
	return s.from(start, '[')
}

// enter steps over an opening bracket that peek has seen.
func (s *scanner) enter(depth int) bool {
	if depth >= maxDepth {
		return s.failAt(s.at, "values nest deeper than %d", maxDepth)
	}
	s.at++
	return true
}

func (s *scanner) from(start int, kind byte) span {
	if s.err != nil {
		return span{}
	}
	return span{start: int32(start), end: int32(s.at), kind: kind}
}

func (s *scanner) word(w string) span {
	start := s.at
	if len(s.data)-start < len(w) || string(s.data[start:start+len(w)]) != w {
		s.unexpected("a value")
		return span{}
	}
	s.at += len(w)
	return span{start: int32(start), end: int32(s.at), kind: w[0]}
}

func (s *scanner) number() span {
	start := s.at
	if s.data[s.at] == '-' {
		s.at++
	}
	if s.at < len(s.data) && s.data[s.at] == '0' {
		s.at++
	} else if !s.digits() {
		return span{}
	}
	if s.at < len(s.data) && s.data[s.at] == '.' {
		s.at++
		if !s.digits() {
			return span{}
		}
	}
	if s.at < len(s.data) && (s.data[s.at] == 'e' || s.data[s.at] == 'E') {
		s.at++
		if s.at < len(s.data) && (s.data[s.at] == '+' || s.data[s.at] == '-') {
			s.at++
		}
		if !s.digits() {
			return span{}
		}
	}
	return span{start: int32(start), end: int32(s.at), kind: '0'}
}

// digits steps over one or more digits.
func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.data) && s.data[s.at]-'0' <= 9 {
		s.at++
	}
	if s.at == start {
		return s.unexpected("a digit")
	}
	return true
}

// string steps over a string whose opening quote peek has seen.
func (s *scanner) string() span {
	start := s.at
	escaped := false
	at := start + 1
	for {
		at = plainEnd(s.data, at)
		if at >= len(s.data) {
			s.at = at
			s.unexpected("the closing quote of a string")
			return span{}
		}
		switch s.data[at] {
		case '"':
			s.at = at + 1
			return span{start: int32(start), end: int32(s.at), kind: '"', escaped: escaped}
		case '\\':
			escaped = true
			size := s.escape(at)
			if size == 0 {
				return span{}
			}
			at += size
		default:
			s.failAt(at, "control character %q in a string: write it as an escape", s.data[at])
			return span{}
		}
	}
}

const (
	eachByte = 0x0101010101010101
	highBits = 0x8080808080808080
)

// plainEnd returns the first index, starting at at, of a quote, a backslash or a control character. It
// examines eight bytes per step.
func plainEnd(data []byte, at int) int {
	for ; at+8 <= len(data); at += 8 {
		w := binary.LittleEndian.Uint64(data[at:])
		if found := special(w) & highBits; found != 0 {
			return at + bits.TrailingZeros64(found)/8
		}
	}
	for at < len(data) && data[at] != '"' && data[at] != '\\' && data[at] >= ' ' {
		at++
	}
	return at
}

// special marks quotes, backslashes and control characters among eight bytes: the lowest byte whose high
// bit is set is the first of them. Higher bytes may be marked by mistake.
func special(w uint64) uint64 {
	quote := w ^ '"'*eachByte
	slash := w ^ '\\'*eachByte
	// A byte of x-eachByte&^x has its high bit set if that byte of x is 0. The last term does the same for
	// bytes below a space. Borrows only propagate upwards.
	return (quote-eachByte)&^quote | (slash-eachByte)&^slash | (w-' '*eachByte)&^w
}

// escape returns the length of the escape at a position. It returns 0, with an error, if there is no
// escape, or if it is half of a surrogate pair and the scanner is strict.
func (s *scanner) escape(at int) int {
	size := escapeSize(s.data[at:])
	if size == 0 {
		s.failAt(at, "expected an escape such as \\n or \\u00e9")
	}
	if size == 6 && s.strict {
		unit, _ := hex4(s.data[at+2:])
		if _, size = unescapedRune(s.data[at:]); utf16.IsSurrogate(unit) && size == 6 {
			s.failAt(at, "%s is half of a character: write both halves of the surrogate pair, or the character itself", s.data[at:at+6])
			return 0
		}
	}
	return size
}

// escapeSize returns the length of the escape at the beginning of text, or 0 if there is none.
func escapeSize(text []byte) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(text[2:]); ok {
			return 6
		}
	}
	return 0
}
