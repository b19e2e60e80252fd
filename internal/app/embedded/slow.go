package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"gakushoku/internal/observe/spans"
	"gakushoku/internal/operate/logs"
)

// Slowest implements operator.Host. It uses the spans that the server has kept, or else its log.
func (h host) Slowest(ctx context.Context, since time.Time, limit int) ([]spans.Operation, spans.Source, error) {
	found, err := slowest(ctx, SpanFile(h.folder.Dir), since, limit, func(line []byte) (spans.Span, bool) {
		var s spans.Span
		return s, json.Unmarshal(line, &s) == nil // the server may have been killed while writing the line
	})
	if err != nil || len(found) > 0 {
		return found, spans.FromSpans, err
	}
	found, err = slowest(ctx, LogFile(h.folder.Dir), since, limit, spans.FromLogLine)
	return found, spans.FromLog, err
}

// slowest reads operations from the lines of a file, or returns none if there is no file.
func slowest(ctx context.Context, path string, since time.Time, limit int, read func(line []byte) (spans.Span, bool)) ([]spans.Operation, error) {
	// Timestamps in milliseconds and in microseconds do not compare exactly as text.
	query := logs.Query{Since: since.Add(-time.Millisecond)}
	return spans.Slowest(limit, func(f func(*spans.Span) error) error {
		err := logs.Search(ctx, path, query, 0, logs.SinkFunc(func(line []byte) error {
			if s, ok := read(line); ok && !s.Timestamp.Time().Before(since) {
				return f(&s)
			}
			return nil
		}))
		if errors.Is(err, logs.ErrNoLog) {
			return nil
		}
		return err
	})
}
