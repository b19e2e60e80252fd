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
// Equal keys have equal prints, and others seldom have: comparing them is cheap.
type member struct {
	start, keyEnd, end int
	print              uint32
}

// membersOf adds the members of the object that a line is.
func membersOf(members []member, line []byte) []member {
	for i := 1; i < len(line) && line[i] == '"'; {
		m := member{start: i, keyEnd: stringEnd(line, i)}
		m.print = uint32(m.keyEnd-i) | uint32(line[(i+m.keyEnd)/2])<<8 | uint32(line[min(i+1, m.keyEnd-1)])<<16 | uint32(line[max(m.keyEnd-2, i)])<<24
		m.end = min(valueEnd(line, m.keyEnd+1)+1, len(line))
		members, i = append(members, m), m.end
	}
	return members
}

// stringEnd is behind the string that begins at i.
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
		from += slash + 2 // behind what is escaped
	}
	return len(line)
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
	for i := range later {
		if other := &later[i]; other.print == m.print && bytes.Equal(line[other.start:other.keyEnd], line[m.start:m.keyEnd]) {
			return true
		}
	}
	return false
}
