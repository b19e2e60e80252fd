package stack

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"gakushoku/internal/observe/spans"
	"gakushoku/internal/operate/logs"
	"gakushoku/internal/operate/timeline"
)

// Logs queries a stack's log lines; *insights.Logs implements it.
type Logs interface {
	// Lines runs a query that asks for @message.
	Lines(ctx context.Context, query string, from, to time.Time) ([]string, error)
}

// How far back log lines are searched by default, since reading them costs money. If an operation's id
// contains its time, the search starts a little before that.
const (
	lookBack  = 24 * time.Hour
	clockSkew = 5 * time.Minute
)

// maxLines is how many log lines one query may return.
const maxLines = 10_000

// Lines implements operator.Host.
func (s *Stack) Lines(since time.Time) timeline.Lines { return logLines{s.Logs, since} }

// TraceURL implements operator.Host. Traces are in the console of X-Ray.
func (s *Stack) TraceURL() string {
	domain := "console.aws.amazon.com"
	if strings.HasPrefix(s.Region, "cn-") {
		domain = "console.amazonaws.cn"
	}
	return fmt.Sprintf("https://%s.%s/cloudwatch/home?region=%s#xray:traces/%s", s.Region, domain, s.Region, timeline.XRayTraceIDPlace)
}

// logLines are the log lines of a stack's functions.
type logLines struct {
	logs  Logs
	since time.Time
}

// OfOperation implements timeline.Lines.
func (l logLines) OfOperation(ctx context.Context, correlationID string, f func([]byte) error) error {
	since := l.since
	if id, err := ulid.ParseStrict(correlationID); err == nil && since.IsZero() {
		since = ulid.Time(id.Time()).Add(-clockSkew)
	}
	return l.ask(ctx, logs.Query{CorrelationID: correlationID}, since, f)
}

// OfStream implements timeline.Lines.
func (l logLines) OfStream(ctx context.Context, stream string, f func([]byte) error) error {
	return l.ask(ctx, logs.Query{Text: stream}, l.since, f)
}

func (l logLines) ask(ctx context.Context, q logs.Query, since time.Time, f func([]byte) error) error {
	query, err := q.Insights(maxLines)
	if err != nil {
		return err
	}
	now := time.Now()
	if since.IsZero() {
		since = now.Add(-lookBack)
	}
	lines, err := l.logs.Lines(ctx, query, since, now)
	if err != nil {
		return fmt.Errorf("asking CloudWatch Logs: %w", err)
	}
	for _, line := range lines {
		if err := f([]byte(line)); err != nil {
			return err
		}
	}
	return nil
}

// slowLines queries the log lines of the slowest operations. An operation may have many.
const slowLines = `fields @timestamp, @message
| filter ispresent(durationMs)
| sort durationMs desc
| limit 5000`

// Slowest implements operator.Host. It uses the log lines of the functions.
func (s *Stack) Slowest(ctx context.Context, since time.Time, limit int) ([]spans.Operation, spans.Source, error) {
	lines, err := s.Logs.Lines(ctx, slowLines, since, time.Now())
	if err != nil {
		return nil, spans.FromLog, fmt.Errorf("asking CloudWatch Logs: %w", err)
	}
	found, err := spans.Slowest(limit, func(f func(*spans.Span) error) error {
		for _, line := range lines {
			if span, ok := spans.FromLogLine([]byte(line)); ok && !span.Timestamp.Time().Before(since) {
				if err := f(&span); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return found, spans.FromLog, err
}
