package main

import (
	"io"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"gakushoku/internal/event"
)

// shown is a terminal that shows invisible and bidirectional characters as escapes such as \u202e, so that
// ids, names and reasons cannot mislead a reader. Files and pipes receive the original characters.
type shown struct {
	terminal io.Writer
	mu       sync.Mutex
	rest     []byte // the first bytes of an incomplete character
}

// showing returns w, wrapped as shown if it is a terminal.
func showing(w io.Writer) io.Writer {
	if !isTerminal(w) {
		return w
	}
	return &shown{terminal: w}
}

// IsTerminal returns true; isTerminal calls it.
func (s *shown) IsTerminal() bool { return true }

// Fd returns the terminal's descriptor, for its size.
func (s *shown) Fd() uintptr {
	if file, ok := s.terminal.(interface{ Fd() uintptr }); ok {
		return file.Fd()
	}
	return ^uintptr(0)
}

// Write implements io.Writer.
func (s *shown) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := append(s.rest, p...)
	var b strings.Builder
	for len(text) > 0 && utf8.FullRune(text) {
		r, size := utf8.DecodeRune(text)
		if r >= utf8.RuneSelf && event.Hidden(r) {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		} else {
			b.Write(text[:size])
		}
		text = text[size:]
	}
	s.rest = append([]byte(nil), text...)
	if _, err := io.WriteString(s.terminal, b.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}
