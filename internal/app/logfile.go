package app

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
)

// wholeLines keeps the lines of a log file whole when its disk is full, or was: the part of a
// line that could be written is cut off again. Where that fails, and where a process was killed,
// the line ends where it was torn, so that the next one is not lost with it. What could not be
// written is counted, and the next line that can be comes after one that says how many are missing.
type wholeLines struct {
	path  string
	file  io.Writer
	level zerolog.Level

	mu    sync.Mutex
	torn  bool // the file does not end with the end of a line
	lost  int
	since time.Time // when the first of them was lost
	why   error
}

// openWholeLines goes on with the log at path, which a process may have left in the middle of
// a line; file writes to it.
func openWholeLines(path string, file io.Writer, level zerolog.Level) (*wholeLines, error) {
	torn, err := endsTorn(path)
	if err != nil {
		return nil, fmt.Errorf("going on with the log: %w", err)
	}
	return &wholeLines{path: path, file: file, level: level, torn: torn}, nil
}

func endsTorn(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return false, err
	}
	last := make([]byte, 1)
	_, err = f.ReadAt(last, size-1)
	return last[0] != '\n', err
}

// Write writes one line. Only the first that is lost is an error: zerolog tells each on standard
// error, and there the lines themselves are.
func (w *wholeLines) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.write(line)
	if err == nil {
		return len(line), nil
	}
	if w.lost++; w.lost > 1 {
		return len(line), nil
	}
	w.since, w.why = time.Now().UTC(), err
	return len(line), fmt.Errorf("writing a log line, and maybe more: %w", err)
}

func (w *wholeLines) write(line []byte) error {
	if w.torn {
		if _, err := w.file.Write([]byte("\n")); err != nil {
			return err
		}
		w.torn = false
	}
	if w.lost > 0 {
		if err := w.tell(); err != nil {
			return err
		}
		w.lost = 0
	}
	return w.put(line)
}

// put writes a line, and takes back a part of one.
func (w *wholeLines) put(line []byte) error {
	n, err := w.file.Write(line)
	w.torn = err != nil && n > 0 && w.cut(int64(n)) != nil
	return err
}

// cut takes the last n bytes off the file, to which nobody else writes.
func (w *wholeLines) cut(n int64) error {
	info, err := os.Stat(w.path)
	if err != nil {
		return err
	}
	return os.Truncate(w.path, info.Size()-n)
}

// tell says what is missing.
func (w *wholeLines) tell() error {
	var err error
	logger := observe.NewLogger(writerFunc(func(line []byte) (int, error) {
		err = w.put(line)
		return len(line), nil
	}), w.level, "server")
	logger.Error().Int("lines", w.lost).Time("since", w.since).Str(observe.FieldResult, observe.ResultNG).
		Str(observe.FieldErrorClass, string(fault.Infra)).Err(w.why).Msg("log:lost")
	return err
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(line []byte) (int, error) { return f(line) }
