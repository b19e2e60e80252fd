package observe

import (
	"bytes"
	"fmt"
	"io"
)

// lastOfKey removes repeated keys from lines, since zerolog appends fields without checking. The last one
// stays: it is the most specific, as those before it come from the context. Programs that read a line
// with a repeated key differ in which value they take.
type lastOfKey struct{ w io.Writer }

// Write is io.Writer. zerolog writes each line with one call.
func (l lastOfKey) Write(line []byte) (int, error) {
	var few [32]member // a line with more allocates
	members := membersOf(few[:0], line)
	if once := withoutRepeats(line, members); once != nil {
		if _, err := l.w.Write(once); err != nil {
			return 0, fmt.Errorf("writing a log line: %w", err)
		}
		return len(line), nil
	}
	return l.w.Write(line)
}

// member is the position of a member of a JSON object: of its key, and of all of it with the comma after
// it. print is a hash of the key, to compare keys cheaply.
type member struct {
	start, keyEnd, end int
	print              uint32
}

// membersOf appends the members of a line's object.
func membersOf(members []member, line []byte) []member {
	for i := 1; i < len(line) && line[i] == '"'; {
		m := member{start: i, keyEnd: stringEnd(line, i)}
		m.print = uint32(m.keyEnd-i) | uint32(line[(i+m.keyEnd)/2])<<8 | uint32(line[min(i+1, m.keyEnd-1)])<<16 | uint32(line[max(m.keyEnd-2, i)])<<24
		m.end = min(valueEnd(line, m.keyEnd+1)+1, len(line))
		members, i = append(members, m), m.end
	}
	return members
}

// stringEnd returns the index after the string that starts at i.
func stringEnd(line []byte, i int) int {
	for from := i + 1; from < len(line); {
		quote := bytes.IndexByte(line[from:], '"')
		if quote < 0 {
			break
		}
		slash := bytes.IndexByte(line[from:from+quote], '\\')
		if slash < 0 {
			return from + quote + 1
		}
		from += slash + 2 // after the escaped character
	}
	return len(line)
}

// valueEnd returns the index of the comma or brace that ends the value at i.
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

// withoutRepeats returns the line without members whose key occurs again, nil if there are none. It never
// removes the last member, so the commas stay valid.
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
	for i := range later {
		if other := &later[i]; other.print == m.print && bytes.Equal(line[other.start:other.keyEnd], line[m.start:m.keyEnd]) {
			return true
		}
	}
	return false
}
