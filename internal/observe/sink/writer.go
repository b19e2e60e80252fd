package sink

import (
	"io"
	"time"

	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
)

// loss is what is missing at one place.
type loss struct {
	lines int
	since time.Time // when the first of them was lost
	why   error
}

func (l *loss) add(lines int, at time.Time, why error) {
	if l.lines == 0 {
		l.since, l.why = at.UTC(), why
	}
	l.lines += lines
}

// writer keeps lines whole when its disk is full, or was: the part of a line that could be written
// is cut off again. Where that fails, and where a process was killed, the line ends where it was
// torn, so that the next one is not lost with it. The next line that can be written comes after
// one that says how many are missing.
type writer struct {
	out     io.Writer
	options Options
	torn    bool // the output does not end with the end of a line
	missing loss
}

// write writes a piece, after what is missing before it.
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

// catchUp ends a torn line, and says what is missing.
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

// put writes a line, and takes back a part of one.
func (w *writer) put(line []byte) error {
	n, err := w.out.Write(line)
	switch {
	case err == nil || n == 0:
		return err
	case n == len(line)-1:
		w.torn = true
		return nil // only its end is missing, which the next line brings
	}
	w.torn = w.options.Cut == nil || w.options.Cut(int64(n)) != nil
	return err
}

// tell says what is missing.
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
