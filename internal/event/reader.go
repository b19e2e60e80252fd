package event

import (
	"fmt"
	"math"
)

// reader converts values that a scanner has located into Go values. It keeps the first error. It returns
// zero values after an error, and for absent values.
type reader struct {
	data    []byte
	decoder *Decoder // creates strings; nil: each is allocated separately
	strict  bool     // refuse times that only older versions accepted
	err     error
}

// fail keeps the first error.
func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// text reads a string.
func (r *reader) text(name string, v span) string {
	if v.kind == '"' && r.err == nil {
		return r.decoder.text(r.data, v)
	}
	if !v.absent() {
		r.fail(wrongKind(name, v, "a string"))
	}
	return ""
}

// instant reads a time.
func (r *reader) instant(name string, v span) Instant {
	text := r.text(name, v)
	if r.err != nil || v.absent() {
		return 0
	}
	parse := parseStored
	if r.strict {
		parse = ParseInstant
	}
	i, err := parse(text)
	if err != nil {
		r.fail(fmt.Errorf("%s: %w", name, err))
	}
	return i
}

// integer reads an integer from lowest to highest.
func (r *reader) integer(name string, v span, lowest, highest int64) int64 {
	if v.absent() {
		return 0
	}
	if v.kind != '0' {
		r.fail(wrongKind(name, v, "an integer"))
		return 0
	}
	n, ok := parseInt(r.data[v.start:v.end])
	if !ok || n < lowest || n > highest {
		r.fail(fmt.Errorf("byte %d: %s must be an integer from %d to %d, not %.40s", v.start+1, name, lowest, highest, r.data[v.start:v.end]))
		return 0
	}
	return n
}

// amount reads a required integer.
func (r *reader) amount(name string, v span) int64 {
	if v.absent() {
		r.fail(fmt.Errorf("%s is missing", name))
		return 0
	}
	return r.integer(name, v, math.MinInt64, math.MaxInt64)
}

func wrongKind(name string, v span, want string) error {
	kinds := map[byte]string{'"': "a string", '{': "an object", '[': "an array", '0': "a number", 't': "true", 'f': "false", 'n': "null"}
	return fmt.Errorf("byte %d: %s must be %s, not %s", v.start+1, name, want, kinds[v.kind])
}
