package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progressLine is one line of a terminal that is written again and again.
type progressLine struct {
	out io.Writer

	mu    sync.Mutex
	shown time.Time
}

// lineEvery is how often the line is written: a person cannot read faster.
const lineEvery = 100 * time.Millisecond

// newProgressLine is nil when no person reads.
func newProgressLine(p *program) *progressLine {
	if !isTerminal(p.stderr) {
		return nil
	}
	return &progressLine{out: p.stderr}
}

func (l *progressLine) show(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.shown) >= lineEvery {
		l.shown = now
		fmt.Fprintf(l.out, "\r%s\x1b[K", fmt.Sprintf(format, args...))
	}
}

// end clears the line.
func (l *progressLine) end() { fmt.Fprint(l.out, "\r\x1b[K") }
