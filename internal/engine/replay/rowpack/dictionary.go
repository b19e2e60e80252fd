package rowpack

import "strings"

const (
	maxWords = 256 // a field with more different values gets no dictionary
	fewWords = 8   // up to this many are compared one by one, which is quicker than a map
)

// dictionary numbers the first distinct values of a field, such as statuses and names.
type dictionary struct {
	words   []string
	numbers map[string]int
}

func newDictionary() *dictionary { return &dictionary{numbers: map[string]int{}} }

// index returns the number of s. A field that turns out to have many values gets no new numbers, and no more
// look-ups.
func (d *dictionary) index(s string) (int, bool) {
	for n, word := range d.words[:min(len(d.words), fewWords)] {
		if word == s {
			return n, true
		}
	}
	if len(d.words) == maxWords {
		return 0, false
	}
	n, ok := d.numbers[s]
	if !ok {
		n = len(d.words)
		// Cloned, since it may share memory with a record: a fold may have copied a string of an unpacked row
		// to another field.
		s = strings.Clone(s)
		d.words = append(d.words, s)
		d.numbers[s] = n
	}
	return n, true
}
