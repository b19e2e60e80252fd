package event

import (
	"bytes"
	"slices"
	"strings"
)

// maxCompared is the largest number of names of an object that are compared one by one.
const maxCompared = 16

// names are the keys of one object, with which a strict scanner detects a repeated key: some programs use
// the first value and others the last. They are on the scanner's stack from base on; those of a large
// object are also in a map.
type names struct {
	base  int
	many  map[string]struct{}
	known []string // keys, with quotes and colon, that must not be spelled in another case
}

// newNames begins an object with these keys, whose case some programs ignore.
func (s *scanner) newNames(known []string) names { return names{base: len(s.seen), known: known} }

// end ends the object.
func (n *names) end(s *scanner) { s.seen = s.seen[:n.base] }

// add records a name at a position. Only strict scanners call it.
func (n *names) add(s *scanner, name []byte, at int) bool {
	if !s.strict {
		return true
	}
	if key := n.meant(name); key != "" {
		return s.failAt(at, "the key %.40q is %q in another case: write it like that, or leave it out", name, key)
	}
	if n.repeats(s, name) {
		return s.repeated(name, at)
	}
	return true
}

// meant returns the known key that a name equals except for upper and lower case; "" if there is none, or
// if the name is exactly that key.
func (n *names) meant(name []byte) string {
	for _, quoted := range n.known {
		key := unquoted(quoted)
		if string(name) == key {
			return ""
		}
		const widest = 3 // bytes of the widest character that folds to an ASCII letter
		if len(key) <= len(name) && len(name) <= widest*len(key) && strings.EqualFold(string(name), key) {
			return key
		}
	}
	return ""
}

func (n *names) repeats(s *scanner, name []byte) bool {
	before := s.seen[n.base:]
	if len(before) < maxCompared {
		s.seen = append(s.seen, name)
		return slices.ContainsFunc(before, func(other []byte) bool { return bytes.Equal(name, other) })
	}
	if n.many == nil {
		n.many = map[string]struct{}{}
		for _, other := range before {
			n.many[string(other)] = struct{}{}
		}
	}
	count := len(n.many)
	n.many[string(name)] = struct{}{}
	return len(n.many) == count
}

func (s *scanner) repeated(name []byte, at int) bool {
	return s.failAt(at, "the key %.40q comes twice in one object: leave one out", name)
}

// CheckJSON refuses a text unless it is exactly one JSON value in UTF-8 that every program reads in the
// same way: no object repeats a key, even spelled with escapes, and no string contains half of a surrogate
// pair. Errors name the byte, counted from 1.
func CheckJSON(text []byte) error {
	s := newScanner(text)
	s.strict = true
	if s.err == nil {
		s.value(0)
	}
	s.end()
	return s.err
}
