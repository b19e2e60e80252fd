package embedded

import (
	"bytes"
	"context"
	"errors"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/logs"
	"gakushoku/internal/operate/timeline"
)

// Lines implements operator.Host. It reads the server's log files.
func (h host) Lines(since time.Time) timeline.Lines {
	return fileLines{LogFile(h.folder.Dir), since}
}

// fileLines reads the log files of a server. Missing files are not an error, since the events also describe
// an operation.
type fileLines struct {
	path  string
	since time.Time
}

// OfOperation implements timeline.Lines.
func (l fileLines) OfOperation(ctx context.Context, correlationID string, f func([]byte) error) error {
	return l.search(ctx, logs.Query{CorrelationID: correlationID}, f)
}

// OfStream implements timeline.Lines. Of the lines with the stream, it selects those of commands.
func (l fileLines) OfStream(ctx context.Context, stream string, f func([]byte) error) error {
	commandName := []byte(`"` + observe.FieldCommandName + `"`)
	return l.search(ctx, logs.Query{Text: stream}, func(line []byte) error {
		if !bytes.Contains(line, commandName) {
			return nil
		}
		return f(line)
	})
}

func (l fileLines) search(ctx context.Context, q logs.Query, f func([]byte) error) error {
	q.Since = l.since
	err := logs.Search(ctx, l.path, q, 0, logs.SinkFunc(f))
	if errors.Is(err, logs.ErrNoLog) {
		return nil
	}
	return err
}

// eachEventThere is EachEvent for a search: it reads a log as it is if it cannot be brought up to date.
func (f *Folder) eachEventThere(ctx context.Context, do func(*event.Event) error) error {
	err := f.CheckEvents(ctx)
	if err == nil {
		err = f.Archive(ctx)
	}
	if errors.Is(err, eventlog.ErrLedgerBehind) || errors.Is(err, eventstore.ErrOtherStore) {
		return archived{f.Dir}.EachEvent(ctx, do)
	}
	return f.EachEvent(ctx, do)
}
