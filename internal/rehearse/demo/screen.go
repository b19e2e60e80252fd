package demo

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// The colours of a terminal.
const (
	bold  = "\x1b[1m"
	green = "\x1b[32m"
	red   = "\x1b[31m"
	faint = "\x1b[2m"
	reset = "\x1b[0m"
)

// screen writes the story, on a terminal in colour and with a moving line. Failed writes are ignored: the
// demo checks the system, not its output.
type screen struct {
	w        io.Writer
	terminal bool
}

func (s *screen) paint(colour, text string) string {
	if !s.terminal {
		return text
	}
	return colour + text + reset
}

// asked is the format of a query and its result.
const asked = "%-27s %s"

func (s *screen) title(text string) { fmt.Fprintln(s.w, s.paint(bold, text)) }

func (s *screen) step(n int, title string) {
	fmt.Fprintf(s.w, "\n%s\n", s.paint(bold, fmt.Sprintf("%2d. %s", n, title)))
}

func (s *screen) say(format string, args ...any) {
	fmt.Fprintf(s.w, "    %s\n", fmt.Sprintf(format, args...))
}

func (s *screen) log(line string) { fmt.Fprintf(s.w, "    %s\n", s.paint(faint, line)) }

func (s *screen) good(format string, args ...any) {
	fmt.Fprintf(s.w, " %s %s\n", s.paint(green, "ok"), fmt.Sprintf(format, args...))
}

func (s *screen) bad(format string, args ...any) {
	fmt.Fprintf(s.w, " %s %s\n", s.paint(red, "!!"), fmt.Sprintf(format, args...))
}

// moving writes the progress line, which the next one replaces. Only a terminal gets it.
func (s *screen) moving(format string, args ...any) {
	if s.terminal {
		fmt.Fprintf(s.w, "\r    %s\x1b[K", s.paint(faint, fmt.Sprintf(format, args...)))
	}
}

// still removes the moving line.
func (s *screen) still() {
	if s.terminal {
		fmt.Fprint(s.w, "\r\x1b[K")
	}
}

func (s *screen) end(format string, args ...any) {
	fmt.Fprintf(s.w, "\n%s\n", s.paint(green, fmt.Sprintf(format, args...)))
}

// grouped formats a number for people: 12,345.
func grouped[T ~int | ~int64 | ~uint64](n T) string {
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, d := range digits {
		if left := len(digits) - i; i > 0 && left%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// short formats a duration in a few letters, aligned to the right: "85 ms", "2.5 s".
func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
