package observe

import (
	"bytes"
	"fmt"
	"io"
)

// lastOfKey lets no line hold a key twice, since zerolog appends a field without looking whether
// it is there: of a repeated one the last stays. That is the more specific: the context gave the
// others before. What reads such lines takes the first, the last, or none of them.
type lastOfKey struct{ w io.Writer }

// Write is io.Writer. A line comes in one piece: zerolog writes them so.
func (l lastOfKey) Write(line []byte) (int, error) {
	var few [32]member // a line with more takes memory
	members := membersOf(few[:0], line)
	if once := withoutRepeats(line, members); once != nil {
		if _, err := l.w.Write(once); err != nil {
			return 0, fmt.Errorf("writing a log line: %w", err)
		}
		return len(line), nil
	}
	return l.w.Write(line)
}

// member is where a member of a JSON object is: its key, and all of it with the comma behind.
type member struct{ start, keyEnd, end int }

func (m member) key(line []byte) []byte { return line[m.start:m.keyEnd] }

// membersOf adds the members of the object that a line is.
func membersOf(members []member, line []byte) []member {
	for i := 1; i < len(line) && line[i] == '"'; {
		m := member{start: i, keyEnd: stringEnd(line, i)}
		m.end = min(valueEnd(line, m.keyEnd+1)+1, len(line))
		members, i = append(members, m), m.end
	}
	return members
}

// stringEnd is behind the string that begins at i.
func stringEnd(line []byte, i int) int {
	for i++; i < len(line) && line[i] != '"'; i++ {
		if line[i] == '\\' {
			i++
		}
	}
	return min(i+1, len(line))
}

// valueEnd is where the comma or the brace is that ends the value at i.
func valueEnd(line []byte, i int) int {
	for depth := 0; i < len(line); i++ {
		switch line[i] {
		case '"':
			i = stringEnd(line, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return len(line)
}

// withoutRepeats is the line without the members whose key comes again; nil when none does. What
// is taken out is never the last member, so the commas stay right.
func withoutRepeats(line []byte, members []member) []byte {
	var once []byte
	kept := 0
	for i, m := range members {
		if comesAgain(line, m, members[i+1:]) {
			once, kept = append(once, line[kept:m.start]...), m.end
		}
	}
	if kept == 0 {
		return nil
	}
	return append(once, line[kept:]...)
}

func comesAgain(line []byte, m member, later []member) bool {
	for _, other := range later {
		if bytes.Equal(m.key(line), other.key(line)) {
			return true
		}
	}
	return false
}
