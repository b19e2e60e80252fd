package logs

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Sink receives the matching lines, oldest first.
type Sink interface {
	// Line receives one line without its line end. The bytes change after the call.
	Line(line []byte) error
	// Flush is called when there are no more lines for now.
	Flush() error
}

// SinkFunc adapts a function to Sink.
type SinkFunc func(line []byte) error

// Line implements Sink.
func (f SinkFunc) Line(line []byte) error { return f(line) }

// Flush implements Sink.
func (f SinkFunc) Flush() error { return nil }

// Search passes the matching lines of the log at path and of the rotated files beside it to sink; if last
// is above 0, only the newest of that number. It returns ErrNoLog if there is no log, and errors of sink.
func Search(ctx context.Context, path string, q Query, last int, sink Sink) error {
	m, err := q.compile()
	if err != nil {
		return err
	}
	current, older, err := openCurrent(path)
	if err != nil {
		return noLog(path, err)
	}
	defer closeFile(current)
	if current == nil && len(older) == 0 {
		return noLog(path, fs.ErrNotExist)
	}
	s := &scan{match: m, sink: keepLast(last, sink)}
	if err := s.rotatedFiles(ctx, older); err != nil {
		return err
	}
	if current != nil {
		if err := s.whole(ctx, current); err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
	}
	return s.sink.Flush()
}

func noLog(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w at %s", ErrNoLog, path)
	}
	return err
}

const readBuffer = 1 << 20

// scan searches one file after the other.
type scan struct {
	match *matcher
	sink  Sink
}

// rotatedFiles searches rotated files. It skips those that the rotation has deleted meanwhile: the oldest.
func (s *scan) rotatedFiles(ctx context.Context, paths []string) error {
	for _, path := range paths {
		if since := s.match.query.Since; !since.IsZero() && modifiedBefore(path, since) {
			continue
		}
		f, err := openRotated(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		err = s.whole(ctx, f)
		f.Close()
		if err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
	}
	return nil
}

// whole searches a file to its end, including a last line without a line end.
func (s *scan) whole(ctx context.Context, r io.Reader) error {
	l := &lines{r: bufio.NewReaderSize(r, readBuffer)}
	if err := l.each(ctx, s.line); err != nil {
		return err
	}
	return l.rest(s.line)
}

func (s *scan) line(line []byte) error {
	if len(line) > 0 && s.match.match(line) {
		return s.sink.Line(line)
	}
	return nil
}

// lines splits what a reader has so far into lines, and keeps an incomplete one until more is written. The
// size of log files limits the length of a line.
type lines struct {
	r       *bufio.Reader
	partial []byte
}

// each passes the complete lines to use.
func (l *lines) each(ctx context.Context, use func([]byte) error) error {
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		part, err := l.r.ReadSlice('\n')
		if err == nil && len(l.partial) == 0 {
			if err := use(trimEnd(part)); err != nil {
				return err
			}
			continue
		}
		l.partial = append(l.partial, part...)
		switch {
		case err == nil:
			if err := l.rest(use); err != nil {
				return err
			}
		case errors.Is(err, io.EOF):
			return nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// rest passes the incomplete line to use.
func (l *lines) rest(use func([]byte) error) error {
	line := l.partial
	l.partial = l.partial[:0]
	return use(trimEnd(line))
}

func trimEnd(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}

// keepLast returns a sink that passes on the newest n lines when it is flushed, or sink itself if n is not
// above 0.
func keepLast(n int, sink Sink) Sink {
	if n <= 0 {
		return sink
	}
	return &lastLines{sink: sink, limit: n}
}

type lastLines struct {
	sink  Sink
	limit int
	ring  [][]byte
	next  int
}

func (l *lastLines) Line(line []byte) error {
	if len(l.ring) < l.limit {
		l.ring = append(l.ring, bytes.Clone(line))
		return nil
	}
	l.ring[l.next] = append(l.ring[l.next][:0], line...)
	l.next = (l.next + 1) % l.limit
	return nil
}

func (l *lastLines) Flush() error {
	for i := range l.ring {
		if err := l.sink.Line(l.ring[(l.next+i)%len(l.ring)]); err != nil {
			return err
		}
	}
	l.ring, l.next = nil, 0
	return l.sink.Flush()
}
