// Package sink keeps logging from blocking a process. A pipe without a reader blocks its writer, and a
// full disk fails it; a Sink does neither. It drops and counts what does not fit, and writes one line in
// its place as soon as the underlying writer works again.
package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// DefaultBytes is how much is queued for a slow writer: some 3,000 log lines.
const DefaultBytes = 1 << 20

// errFull is the reason for dropping lines while the writer blocks.
var errFull = errors.New("the output is not read, or is written too slowly")

// Options of a sink.
type Options struct {
	Name  string        // in log:lost and in the meter of lost lines
	Level zerolog.Level // of the process's log; decides whether log:lost is written
	Bytes int           // size of the queue; 0 is DefaultBytes
	// Torn says that the output ends in the middle of a line.
	Torn bool
	// Cut removes the last n bytes of the output, after a partial write of a line; nil if that is not
	// possible.
	Cut func(n int64) error
	// Failing is called once when the first lines are lost. It must not block. It may be nil.
	Failing func(error)
}

// Sink is an io.Writer that neither blocks nor fails. Each Write is one line, or one piece that must not be
// split. It is safe for concurrent use.
type Sink struct {
	options Options
	out     io.Writer
	ended   chan struct{} // closed once everything is written

	mu      sync.Mutex
	changed *sync.Cond // pieces were added, or the sink was closed
	queue   []piece
	waiting int  // bytes in the queue and in the piece being written
	dropped loss // since the last piece of the queue
	lost    int64
	failing bool
	closed  bool
}

// piece is the argument of one Write, with what is missing before it.
type piece struct {
	line    []byte
	missing loss
}

// New starts a sink that writes to out. The caller must close it.
func New(out io.Writer, o Options) *Sink {
	if o.Bytes <= 0 {
		o.Bytes = DefaultBytes
	}
	s := &Sink{options: o, out: out, ended: make(chan struct{})}
	s.changed = sync.NewCond(&s.mu)
	go s.run()
	return s
}

// Whole returns a writer that keeps lines whole like a Sink, but writes immediately and returns errors. It
// is for one goroutine.
func Whole(out io.Writer, o Options) io.Writer {
	w := &writer{out: out, options: o, torn: o.Torn}
	return writerFunc(func(line []byte) (int, error) {
		if err := w.write(piece{line: line}); err != nil {
			return 0, err
		}
		return len(line), nil
	})
}

// Name returns the name of the sink.
func (s *Sink) Name() string { return s.options.Name }

// Lost returns how many lines were dropped or could not be written.
func (s *Sink) Lost() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// Write queues a line, or drops it. It always succeeds, since the caller could not do anything about it.
func (s *Sink) Write(line []byte) (int, error) {
	if !s.put(line) {
		s.tellFailing(errFull)
	}
	return len(line), nil
}

func (s *Sink) put(line []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.waiting > 0 && s.waiting+len(line) > s.options.Bytes {
		s.lost++
		s.dropped.add(1, time.Now(), errFull)
		return false
	}
	s.queue = append(s.queue, piece{append([]byte(nil), line...), s.dropped})
	s.dropped = loss{}
	s.waiting += len(line)
	s.changed.Signal()
	return true
}

// tellFailing reports the first loss.
func (s *Sink) tellFailing(why error) {
	s.mu.Lock()
	first := !s.failing
	s.failing = true
	s.mu.Unlock()
	if first && s.options.Failing != nil {
		s.options.Failing(why)
	}
}

// take waits for pieces. It returns none once the sink is closed and empty. Lines dropped after the last
// piece are missing at the end.
func (s *Sink) take() []piece {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) == 0 && s.dropped.lines == 0 && !s.closed {
		s.changed.Wait()
	}
	taken := s.queue
	if s.dropped.lines > 0 {
		taken, s.dropped = append(taken, piece{missing: s.dropped}), loss{}
	}
	s.queue = nil
	return taken
}

// run writes until the sink is closed and empty.
func (s *Sink) run() {
	defer close(s.ended)
	w := &writer{out: s.out, options: s.options, torn: s.options.Torn}
	for {
		taken := s.take()
		if len(taken) == 0 {
			return
		}
		for _, p := range taken {
			failed := w.write(p)
			s.written(p, failed)
			if failed != nil {
				s.tellFailing(failed)
			}
		}
	}
}

// written counts a piece that was written, or failed.
func (s *Sink) written(p piece, failed error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting -= len(p.line)
	switch {
	case failed == nil:
		s.failing = s.dropped.lines > 0
	case p.line != nil:
		s.lost++
	}
}

// Close writes what is queued, until ctx ends. After an error the underlying writer may still be in use.
func (s *Sink) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.changed.Signal()
	s.mu.Unlock()
	select {
	case <-s.ended:
	case <-ctx.Done():
	}
	select {
	case <-s.ended:
		return nil
	default:
		s.mu.Lock()
		defer s.mu.Unlock()
		return fmt.Errorf("%s: %d bytes could not be written: %w", s.options.Name, s.waiting, errFull)
	}
}
