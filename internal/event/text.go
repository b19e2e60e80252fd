package event

import (
	"math"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// blockSize is how many bytes a Decoder allocates at a time for the strings that it creates.
const blockSize = 16 << 10

// text returns a string value. Without escapes it shares memory with data.
func (d *Decoder) text(data []byte, v span) string {
	inner := data[v.start+1 : v.end-1]
	if !v.escaped {
		return alias(inner)
	}
	// An escape is never shorter than the character it represents.
	return d.keep(appendUnescaped(d.reserve(len(inner)), inner))
}

// joined returns prefix + s.
func (d *Decoder) joined(prefix, s string) string {
	b := append(d.reserve(len(prefix)+len(s)), prefix...)
	return d.keep(append(b, s...))
}

// reserve returns an empty slice with room for n bytes.
func (d *Decoder) reserve(n int) []byte {
	if d == nil || !d.shared {
		return make([]byte, 0, n)
	}
	if cap(d.block)-len(d.block) < n {
		d.block = make([]byte, 0, max(n, blockSize))
	}
	at := len(d.block)
	return d.block[at : at : at+n]
}

// keep returns what was written into a reserved slice as a string. Call it at most once per slice.
func (d *Decoder) keep(b []byte) string {
	if d != nil && d.shared {
		d.block = d.block[:len(d.block)+len(b)]
	}
	return alias(b)
}

// alias returns b as a string that shares its memory.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// appendUnescaped resolves the escapes of a string that the scanner has checked. Like encoding/json, it
// replaces half of a surrogate pair by U+FFFD, since no character corresponds to it.
func appendUnescaped(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			dst = append(dst, s[i])
			i++
			continue
		}
		c := s[i+1]
		if c == 'u' {
			r, size := unescapedRune(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
			continue
		}
		dst = append(dst, unescaped(c))
		i += 2
	}
	return dst
}

// unescaped returns the character that a backslash and c represent.
func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// unescapedRune reads \uXXXX, or two of them that form one character. It also returns how many bytes it
// read.
func unescapedRune(s []byte) (rune, int) {
	r, _ := hex4(s[2:])
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(s) >= 12 && s[6] == '\\' && s[7] == 'u' {
		if low, ok := hex4(s[8:]); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, 12
			}
		}
	}
	return utf8.RuneError, 6
}

// hex4 reads four hexadecimal digits.
func hex4(s []byte) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range s[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// parseInt parses a JSON number that is written as an integer, without point or exponent, and fits in 64
// bits. Amounts of money and versions are always written like that; 1e3 in a log suggests a program that
// has converted them to floating point.
func parseInt(text []byte) (int64, bool) {
	negative := text[0] == '-'
	if negative {
		text = text[1:]
	}
	var n uint64
	for _, c := range text {
		c -= '0'
		if c > 9 || n > (math.MaxUint64-9)/10 {
			return 0, false
		}
		n = n*10 + uint64(c)
	}
	switch {
	case negative && n <= -math.MinInt64:
		return -int64(n), true
	case !negative && n <= math.MaxInt64:
		return int64(n), true
	}
	return 0, false
}
