package main

import (
	"bytes"
	"testing"
)

// screen is a terminal that keeps what is shown.
type screen struct{ bytes.Buffer }

func (*screen) IsTerminal() bool { return true }

func TestATerminalShowsWhatIsInvisible(t *testing.T) {
	t.Parallel()
	const text = "\x1b[1ma\u202eb\u200b 学食 🍙 \u0085\u3164 \xff \U000e0041\x1b[0m\n"
	const want = "\x1b[1ma\\u202eb\\u200b 学食 🍙 \\u0085\\u3164 \xff \\U000e0041\x1b[0m\n"
	for size := 1; size <= len(text); size++ {
		var s screen
		w := showing(&s)
		for rest := []byte(text); len(rest) > 0; rest = rest[min(size, len(rest)):] {
			if n, err := w.Write(rest[:min(size, len(rest))]); err != nil || n != min(size, len(rest)) {
				t.Fatalf("%d, %v", n, err)
			}
		}
		if s.String() != want {
			t.Fatalf("in writes of %d bytes:\n%q\nwant\n%q", size, s.String(), want)
		}
		if !isTerminal(w) {
			t.Fatal("it is no terminal any more")
		}
	}
	var file bytes.Buffer
	if showing(&file) != &file {
		t.Error("a file is written to in another way")
	}
}
