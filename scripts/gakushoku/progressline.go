package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"gakushoku/internal/engine/eventio"
)

// progressLine shows the progress of a long command: on a terminal as one line that is overwritten, elsewhere
// as an occasional line on standard error.
type progressLine struct {
	out      io.Writer
	terminal bool
	every    time.Duration
	now      func() time.Time

	mu    sync.Mutex
	shown time.Time
	name  string    // of the step
	begun time.Time // when it was first reported
	from  int64     // how much was done then
}

// How often the line is written: as fast as a person reads, and rarely enough for a log.
const (
	lineEvery      = 100 * time.Millisecond
	plainLineEvery = 10 * time.Second
)

func newProgressLine(p *program) *progressLine {
	l := &progressLine{out: p.stderr, terminal: isTerminal(p.stderr), every: lineEvery, now: time.Now}
	if !l.terminal {
		l.every, l.shown = plainLineEvery, l.now()
	}
	return l
}

// show writes the line, unless it was written a moment ago.
func (l *progressLine) show(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write(format, args...)
}

func (l *progressLine) write(format string, args ...any) {
	now := l.now()
	if now.Sub(l.shown) < l.every {
		return
	}
	l.shown = now
	text := fmt.Sprintf(format, args...)
	if l.terminal {
		fmt.Fprintf(l.out, "\r%s\x1b[K", text)
		return
	}
	fmt.Fprintln(l.out, text)
}

// step shows a step of known size, with its rate and the time left.
func (l *progressLine) step(name string, done, total int64, unit string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.name != name {
		l.name, l.begun, l.from = name, l.now(), done
	}
	l.write("%s: %s", name, paceText(done, total, done-l.from, l.now().Sub(l.begun), unit))
}

// paceText returns a text such as "45 %, 90000 of 200000 events, 56000/s, 2s left".
func paceText(done, total, since int64, took time.Duration, unit string) string {
	percent := 100.0
	if total > 0 {
		percent = 100 * float64(done) / float64(total)
	}
	text := fmt.Sprintf("%.0f %%, %d of %s", percent, done, plural(total, unit))
	if perSecond, left, known := pace(done, total, since, took); known {
		text += fmt.Sprintf(", %.0f/s, %s left", perSecond, left.Round(time.Second))
	}
	return text
}

// pace returns the rate at which since units were done, and the time left, if they are known.
func pace(done, total, since int64, took time.Duration) (perSecond float64, left time.Duration, known bool) {
	if since <= 0 || total <= 0 || took <= 0 {
		return 0, 0, false
	}
	perSecond = float64(since) / took.Seconds()
	return perSecond, time.Duration(float64(max(0, total-done)) / perSecond * float64(time.Second)), true
}

// importing returns a function that shows the progress of an import.
func (l *progressLine) importing() func(eventio.Progress) {
	units := map[string]string{eventio.StepCheck: "byte", eventio.StepCompare: "stream", eventio.StepAppend: "event"}
	return func(p eventio.Progress) { l.step(p.Step, p.Done, p.Total, units[p.Step]) }
}

// end clears the line.
func (l *progressLine) end() {
	if l.terminal {
		fmt.Fprint(l.out, "\r\x1b[K")
	}
}
