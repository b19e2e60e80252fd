package eventio

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"gakushoku/internal/event"
)

// Source is the part of the event store that an export needs.
type Source interface {
	// Read is eventstore.Feed: events after cursor, and the cursor to continue from.
	Read(ctx context.Context, cursor string, limit int) (events []event.Event, next string, err error)
	// Load returns the events of a stream above a version, in order.
	Load(ctx context.Context, stream string, after uint64) ([]event.Event, error)
}

// ExportOptions say what to export; the zero value exports all.
type ExportOptions struct {
	Stream string        // only this stream
	Since  event.Instant // only what happened then or later; if zero, everything

	Progress func(read int64) // called now and then with the number of events read; may be nil
}

// ErrNoStream means that a stream has no events.
var ErrNoStream = errors.New("there is no such stream")

// pageSize is how many events are read at a time.
const pageSize = 500

// Export writes events as JSONL, in the order of the log, and returns how many. If the reader of w has gone
// (EPIPE), it ends without an error.
func Export(ctx context.Context, src Source, w io.Writer, o ExportOptions) (int, error) {
	x := &export{w: bufio.NewWriterSize(w, 256<<10), since: o.Since, tell: o.Progress}
	err := x.run(ctx, src, o.Stream)
	if err == nil {
		err = x.w.Flush()
	}
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) {
		err = nil
	}
	return x.count, err
}

type export struct {
	w     *bufio.Writer
	since event.Instant
	tell  func(read int64)
	read  int64
	count int
	line  []byte
}

func (x *export) run(ctx context.Context, src Source, stream string) error {
	if stream != "" {
		events, err := src.Load(ctx, stream, 0)
		if err == nil && len(events) == 0 {
			err = fmt.Errorf("%w: %s", ErrNoStream, stream)
		}
		if err != nil {
			return err
		}
		return x.write(events)
	}
	cursor := ""
	for {
		events, next, err := src.Read(ctx, cursor, pageSize)
		if err != nil || len(events) == 0 {
			return err
		}
		if err := x.write(events); err != nil {
			return err
		}
		cursor = next
		if x.read += int64(len(events)); x.tell != nil {
			x.tell(x.read)
		}
	}
}

func (x *export) write(events []event.Event) error {
	for i := range events {
		if events[i].OccurredAt < x.since {
			continue
		}
		x.line = append(event.AppendJSON(x.line[:0], &events[i]), '\n')
		if _, err := x.w.Write(x.line); err != nil {
			return fmt.Errorf("writing: %w", err)
		}
		x.count++
	}
	return nil
}
