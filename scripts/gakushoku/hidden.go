package main

import (
	"io"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"gakushoku/internal/event"
)

// shown is a terminal that is spared what could make a person read something else than is there: it
// shows invisible and bidirectional characters, of ids, names and reasons, as \u202e. Files and pipes
// get what is written.
type shown struct {
	terminal io.Writer
	mu       sync.Mutex
	rest     []byte // the beginning of a character
}

// showing is w, or shown when a person reads it.
func showing(w io.Writer) io.Writer {
	if !isTerminal(w) {
		return w
	}
	return &shown{terminal: w}
}

// IsTerminal says so for those who ask before they write in colour.
func (s *shown) IsTerminal() bool { return true }

// Fd is that of the terminal, for those who ask how large it is.
func (s *shown) Fd() uintptr {
	if file, ok := s.terminal.(interface{ Fd() uintptr }); ok {
		return file.Fd()
	}
	return ^uintptr(0)
}

// Write is io.Writer.
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
