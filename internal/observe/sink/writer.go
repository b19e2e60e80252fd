package sink

import (
	"io"
	"time"

	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
)

// loss describes the lines missing at one place.
type loss struct {
	lines int
	since time.Time // of the first lost line
	why   error
}

func (l *loss) add(lines int, at time.Time, why error) {
	if l.lines == 0 {
		l.since, l.why = at.UTC(), why
	}
	l.lines += lines
}

// writer keeps lines whole on a full disk: it removes a partially written line. If that fails, or after a
// crash, it ends the torn line, so that the next one is not lost with it. Before the next line that can
// be written it writes how many are missing.
type writer struct {
	out     io.Writer
	options Options
	torn    bool // the output does not end with a line end
	missing loss
}

// write writes a piece, after a line about what is missing before it.
func (w *writer) write(p piece) error {
	if p.missing.lines > 0 {
		w.missing.add(p.missing.lines, p.missing.since, p.missing.why)
	}
	err := w.catchUp()
	if err == nil && p.line != nil {
		err = w.put(p.line)
	}
	if err != nil && p.line != nil {
		w.missing.add(1, time.Now(), err)
	}
	return err
}

// catchUp ends a torn line and reports missing ones.
func (w *writer) catchUp() error {
	if w.torn {
		if _, err := w.out.Write([]byte("\n")); err != nil {
			return err
		}
		w.torn = false
	}
	if w.missing.lines > 0 {
		if err := w.tell(); err != nil {
			return err
		}
		w.missing = loss{}
	}
	return nil
}

// put writes a line, and removes it again if it was written in part.
func (w *writer) put(line []byte) error {
	n, err := w.out.Write(line)
	switch {
	case err == nil || n == 0:
		return err
	case n == len(line)-1:
		w.torn = true
		return nil // only the line end is missing; the next write adds it
	}
	w.torn = w.options.Cut == nil || w.options.Cut(int64(n)) != nil
	return err
}

// tell writes a line about what is missing.
func (w *writer) tell() error {
	var err error
	logger := observe.NewLogger(writerFunc(func(line []byte) (int, error) {
		err = w.put(line)
		return len(line), nil
	}), w.options.Level, "server")
	logger.Error().Str("sink", w.options.Name).Int("lines", w.missing.lines).Time("since", w.missing.since).
		Str(observe.FieldResult, observe.ResultNG).Str(observe.FieldErrorClass, string(fault.Infra)).Err(w.missing.why).Msg("log:lost")
	return err
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(line []byte) (int, error) { return f(line) }
