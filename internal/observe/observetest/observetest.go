// Package observetest looks at log lines and metrics as programs of others do.
package observetest

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
)

// Keys returns the keys of a line's object in order, repeated ones each time.
func Keys(t testing.TB, line []byte) []string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(line))
	if brace, err := d.Token(); err != nil || brace != json.Delim('{') {
		t.Fatalf("not an object: %s", line)
	}
	var keys []string
	for d.More() {
		key, err := d.Token()
		var value json.RawMessage
		if err == nil {
			err = d.Decode(&value)
		}
		if err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		keys = append(keys, key.(string))
	}
	return keys
}

// NoKeyTwice fails the test if a line has a key twice.
func NoKeyTwice(t testing.TB, lines []byte) {
	t.Helper()
	for line := range bytes.Lines(lines) {
		keys := Keys(t, line)
		slices.Sort(keys)
		for i := range len(keys) - 1 {
			if keys[i] == keys[i+1] {
				t.Errorf("%q occurs twice: %s", keys[i], line)
			}
		}
	}
}
