package logs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"gakushoku/internal/fault/wait"
)

// DefaultPoll is how often Follow looks for new lines when it is told nothing else.
const DefaultPoll = 200 * time.Millisecond

// Follow is Search, and then gives every line that is written from then on to sink, across
// rotations, until ctx ends; it then returns nil. A log that is not there yet is waited for.
// poll is how often it looks, DefaultPoll when 0.
func Follow(ctx context.Context, path string, q Query, last int, poll time.Duration, sink Sink) error {
	m, err := q.compile()
	if err != nil {
		return err
	}
	if poll <= 0 {
		poll = DefaultPoll
	}
	f := &follower{path: path, poll: poll, scan: scan{match: m, sink: keepLast(last, sink)}}
	defer func() { closeFile(f.current) }()
	err = f.history(ctx)
	f.sink = sink
	for err == nil {
		if err = sink.Flush(); err == nil {
			err = f.wait(ctx)
		}
		if err == nil {
			err = f.round(ctx)
		}
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return sink.Flush()
	}
	return err
}

// follower is where a Follow stands: the file it reads, its lines, and the rotated files
// that are older than it.
type follower struct {
	scan
	path    string
	poll    time.Duration
	current *os.File
	lines   *lines
	known   []string
}

// history reads what there is, up to the end of the current file.
func (f *follower) history(ctx context.Context) error {
	if err := f.open(ctx, true); err != nil {
		return err
	}
	return f.sink.Flush()
}

// open takes up the current file, after the rotated ones that have not been read; first says
// that none has.
func (f *follower) open(ctx context.Context, first bool) error {
	current, older, err := openCurrent(f.path)
	if err != nil {
		return err
	}
	unread := older
	if !first {
		unread = slices.DeleteFunc(slices.Clone(older), func(name string) bool { return slices.Contains(f.known, name) })
		if f.current != nil && len(unread) > 0 {
			unread = unread[1:] // the oldest new one is the file that was read as the current one
		}
	}
	closeFile(f.current)
	f.current, f.known = current, older
	if err := f.rotatedFiles(ctx, unread); err != nil {
		return err
	}
	if current == nil {
		return nil
	}
	f.lines = &lines{r: bufio.NewReaderSize(current, readBuffer)}
	return f.more(ctx)
}

// more reads what was added to the current file.
func (f *follower) more(ctx context.Context) error {
	if err := f.lines.each(ctx, f.line); err != nil {
		return fmt.Errorf("reading %s: %w", f.path, err)
	}
	return nil
}

// round looks once for new lines and for a rotation.
func (f *follower) round(ctx context.Context) error {
	if f.current == nil {
		return f.open(ctx, false)
	}
	// Whether the file was rotated is asked before reading it to its end: what is written
	// after a "no" is found in the next round, and after a "yes" nothing is added any more.
	rotatedAway := !isCurrent(f.path, f.current)
	if err := f.startAgainIfCut(); err != nil {
		return err
	}
	if err := f.more(ctx); err != nil || !rotatedAway {
		return err
	}
	if err := f.lines.rest(f.line); err != nil {
		return err
	}
	return f.open(ctx, false)
}

// startAgainIfCut goes back to the start of a file that was truncated.
func (f *follower) startAgainIfCut() error {
	info, err := f.current.Stat()
	if err != nil {
		return err
	}
	at, err := f.current.Seek(0, io.SeekCurrent)
	if err != nil || info.Size() >= at {
		return err
	}
	_, err = f.current.Seek(0, io.SeekStart)
	f.lines = &lines{r: bufio.NewReaderSize(f.current, readBuffer)}
	return err
}

func (f *follower) wait(ctx context.Context) error {
	return wait.For(ctx, f.poll)
}
