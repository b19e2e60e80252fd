// Package sink keeps what a process writes about itself from holding up its work. A pipe that
// nobody reads blocks its writer and a full disk fails it; writing into a Sink does neither. What
// does not fit is dropped and counted, and one line says so where it is missing, as soon as
// the writer behind the sink works again.
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

// DefaultBytes is how much waits for a writer that is slow: some 3,000 log lines.
const DefaultBytes = 1 << 20

// errFull is why lines are dropped while the writer blocks.
var errFull = errors.New("it is not read, or written too slowly")

// Options of a sink.
type Options struct {
	Name  string        // of the sink, in log:lost and in the meter of lost lines
	Level zerolog.Level // of the process's log: whether log:lost is written
	Bytes int           // that may wait; 0 is DefaultBytes
	// Torn says that what was written before ends in the middle of a line.
	Torn bool
	// Cut takes the last n bytes off what was written, when only a part of a line was; nil if that is
	// not possible.
	Cut func(n int64) error
	// Failing is told once, when lines begin to be lost; may be nil. It must not block.
	Failing func(error)
}

// Sink is an io.Writer that neither blocks nor fails. Each Write is one line, or one piece that
// makes sense only as a whole. It is safe for concurrent use.
type Sink struct {
	options Options
	out     io.Writer
	ended   chan struct{} // closed when everything is written

	mu      sync.Mutex
	changed *sync.Cond // there are pieces, or it is closed
	queue   []piece
	waiting int  // bytes in the queue, and in the piece that is being written
	dropped loss // since the last piece of the queue
	lost    int64
	failing bool
	closed  bool
}

// piece is what one Write brought, or what is missing at this place.
type piece struct {
	line    []byte
	missing loss
}

// New starts a sink that writes to out. Close it.
func New(out io.Writer, o Options) *Sink {
	if o.Bytes <= 0 {
		o.Bytes = DefaultBytes
	}
	s := &Sink{options: o, out: out, ended: make(chan struct{})}
	s.changed = sync.NewCond(&s.mu)
	go s.run()
	return s
}

// Whole is a writer that writes at once, keeps lines whole as a Sink does, and fails. It is for one
// goroutine.
func Whole(out io.Writer, o Options) io.Writer {
	w := &writer{out: out, options: o, torn: o.Torn}
	return writerFunc(func(line []byte) (int, error) {
		if err := w.write(piece{line: line}); err != nil {
			return 0, err
		}
		return len(line), nil
	})
}

// Name is what the sink is called.
func (s *Sink) Name() string { return s.options.Name }

// Lost is how many lines were dropped, or could not be written.
func (s *Sink) Lost() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// Write takes a line, or drops it. It always reports success: the caller can do nothing about it.
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

// tellFailing tells, once, that lines begin to be lost.
func (s *Sink) tellFailing(why error) {
	s.mu.Lock()
	first := !s.failing
	s.failing = true
	s.mu.Unlock()
	if first && s.options.Failing != nil {
		s.options.Failing(why)
	}
}

// take waits for pieces; none come when the sink is closed and empty. What was dropped behind
// the last one is then missing at the end.
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

// run writes until the sink is closed and everything is written.
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

// written counts a piece that the writer is done with.
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

// Close writes what waits, for as long as ctx allows. After an error the writer behind the sink
// may still be in use.
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
