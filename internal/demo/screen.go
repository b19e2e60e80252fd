package demo

import (
	"fmt"
	"io"
)

// The colours of a terminal.
const (
	bold  = "\x1b[1m"
	green = "\x1b[32m"
	red   = "\x1b[31m"
	faint = "\x1b[2m"
	reset = "\x1b[0m"
)

// screen writes the story, in colour when it may. What cannot be written is lost: the story
// is checked, not its printing.
type screen struct {
	w      io.Writer
	colour bool
}

func (s *screen) paint(colour, text string) string {
	if !s.colour {
		return text
	}
	return colour + text + reset
}

func (s *screen) step(n int, title string) {
	fmt.Fprintf(s.w, "\n%s\n", s.paint(bold, fmt.Sprintf("%d. %s", n, title)))
}

func (s *screen) say(format string, args ...any) {
	fmt.Fprintf(s.w, "   %s\n", fmt.Sprintf(format, args...))
}

func (s *screen) log(line string) { fmt.Fprintf(s.w, "   %s\n", s.paint(faint, line)) }

func (s *screen) good(format string, args ...any) {
	fmt.Fprintf(s.w, "   %s %s\n", s.paint(green, "ok"), fmt.Sprintf(format, args...))
}

func (s *screen) bad(format string, args ...any) {
	fmt.Fprintf(s.w, "   %s %s\n", s.paint(red, "!!"), fmt.Sprintf(format, args...))
}

func (s *screen) end(format string, args ...any) {
	fmt.Fprintf(s.w, "\n%s\n", s.paint(green, fmt.Sprintf(format, args...)))
}
