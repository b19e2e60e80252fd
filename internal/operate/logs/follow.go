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

// DefaultPoll is the default interval in which Follow looks for new lines.
const DefaultPoll = 200 * time.Millisecond

// Follow searches like Search, and then passes every new matching line to sink, across rotations, until ctx
// ends; then it returns nil. It waits for a log that does not exist yet. It looks for new lines every poll,
// or DefaultPoll if that is 0.
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

// follower is the position of a Follow: the current file, its lines, and the rotated files before it.
type follower struct {
	scan
	path    string
	poll    time.Duration
	current *os.File
	lines   *lines
	known   []string
}

// history reads the existing lines.
func (f *follower) history(ctx context.Context) error {
	if err := f.open(ctx, true); err != nil {
		return err
	}
	return f.sink.Flush()
}

// open reads the rotated files that have not been read (all of them if first), and then the current one.
func (f *follower) open(ctx context.Context, first bool) error {
	current, older, err := openCurrent(f.path)
	if err != nil {
		return err
	}
	unread := older
	if !first {
		unread = slices.DeleteFunc(slices.Clone(older), func(name string) bool { return slices.Contains(f.known, name) })
		if f.current != nil && len(unread) > 0 {
			unread = unread[1:] // the oldest new one was read as the current file
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

// more reads the lines added to the current file.
func (f *follower) more(ctx context.Context) error {
	if err := f.lines.each(ctx, f.line); err != nil {
		return fmt.Errorf("reading %s: %w", f.path, err)
	}
	return nil
}

// round checks once for new lines and for a rotation.
func (f *follower) round(ctx context.Context) error {
	if f.current == nil {
		return f.open(ctx, false)
	}
	// The check for a rotation comes before reading to the end: without a rotation the next round finds
	// later lines, and after one nothing is added to the file.
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

// startAgainIfCut returns to the start of a truncated file.
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
