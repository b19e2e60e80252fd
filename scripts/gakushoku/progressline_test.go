package main

import (
	"testing"
	"time"

	"gakushoku/internal/engine/eventio"
)

// clocked is a progress line with a clock that the test sets.
func clocked(terminal bool) (*progressLine, *output, *time.Time) {
	out, now := &output{terminal: terminal}, time.Unix(1_769_212_800, 0)
	l := newProgressLine(&program{stderr: out})
	l.now, l.shown = func() time.Time { return now }, now
	return l, out, &now
}

func TestProgressIsALineThatChangesOnATerminal(t *testing.T) {
	t.Parallel()
	l, out, now := clocked(true)
	tell := l.importing()
	tell(eventio.Progress{Step: eventio.StepAppend, Done: 2000, Total: 10000})
	*now = now.Add(time.Second)
	tell(eventio.Progress{Step: eventio.StepAppend, Done: 4000, Total: 10000})
	tell(eventio.Progress{Step: eventio.StepAppend, Done: 5000, Total: 10000}) // too soon to be read
	l.end()
	if got := out.String(); got != "\rimporting: 40 %, 4000 of 10000 events, 2000/s, 3s left\x1b[K\r\x1b[K" {
		t.Errorf("%q", got)
	}
}

func TestProgressIsAPlainLineNowAndThenElsewhere(t *testing.T) {
	t.Parallel()
	l, out, now := clocked(false)
	for done := range int64(25) {
		l.step("checking", done, 100, "byte")
		*now = now.Add(time.Second)
	}
	l.end()
	if got := out.String(); got != "checking: 10 %, 10 of 100 bytes, 1/s, 1m30s left\nchecking: 20 %, 20 of 100 bytes, 1/s, 1m20s left\n" {
		t.Errorf("%q", got)
	}
}
