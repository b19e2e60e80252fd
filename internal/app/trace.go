package app

import (
	"bytes"
	"context"
	"errors"
	"time"

	"gakushoku/internal/logsearch"
	"gakushoku/internal/observe"
	"gakushoku/internal/timeline"
)

// Timelines finds the operations of this folder, at most limit log lines and events of each. Log
// lines are looked for since then; when it is zero, all of them.
func (f *Folder) Timelines(limit int, since time.Time) *timeline.Finder {
	m := f.ReadModels()
	return &timeline.Finder{
		Lines: fileLines{LogFile(f.Dir), since}, Streams: m.Streams, Numbers: m.Numbers, EachEvent: f.EachEvent, Limit: limit,
		Models: timeline.ReadModels{Definitions: m.Definitions, Pointers: m.Pointers, Tables: m.Tables},
	}
}

// TraceURL is where traces of the folder are shown: nobody knows.
func (f *Folder) TraceURL() string { return "" }

// fileLines are the log files of a server. That there are none is no failure: the events tell
// of an operation too.
type fileLines struct {
	path  string
	since time.Time
}

// OfOperation is timeline.Lines.
func (l fileLines) OfOperation(ctx context.Context, correlationID string, f func([]byte) error) error {
	return l.search(ctx, logsearch.Query{CorrelationID: correlationID}, f)
}

// OfOrder is timeline.Lines. Commands name their order; there are far more other lines.
func (l fileLines) OfOrder(ctx context.Context, orderID string, f func([]byte) error) error {
	commandName := []byte(`"` + observe.FieldCommandName + `"`)
	return l.search(ctx, logsearch.Query{Text: orderID}, func(line []byte) error {
		if !bytes.Contains(line, commandName) {
			return nil
		}
		return f(line)
	})
}

func (l fileLines) search(ctx context.Context, q logsearch.Query, f func([]byte) error) error {
	q.Since = l.since
	err := logsearch.Search(ctx, l.path, q, 0, logsearch.SinkFunc(f))
	if errors.Is(err, logsearch.ErrNoLog) {
		return nil
	}
	return err
}
