// Package spans knows what a server keeps of traces, one JSON object a span on a line, and finds
// the slowest operations in it, each with what it spent its time on. It is pure.
package spans

import "time"

// Span is a part of an operation that somebody has timed.
type Span struct {
	Timestamp  Time           `json:"timestamp"` // when it began
	Name       string         `json:"name"`
	Kind       string         `json:"kind,omitempty"`
	DurationMs float64        `json:"durationMs"`
	TraceID    string         `json:"trace_id"`
	SpanID     string         `json:"span_id"`
	ParentID   string         `json:"parent_id,omitempty"` // within the same process
	Error      string         `json:"error,omitempty"`     // when it has failed
	Attributes map[string]any `json:"attributes,omitempty"`
	Links      []string       `json:"links,omitempty"` // traces that it was caused by

	Group string `json:"-"` // of a log line: what its trace alone does not tell apart
}

// key is what a span has in common with what is within it.
func (s *Span) key() string { return s.Group + "/" + s.TraceID + "/" }

// Time is a moment as lines have it: in UTC, to the microsecond, so that texts sort by time.
type Time time.Time

const timeLayout = "2006-01-02T15:04:05.000000Z"

// MarshalText is encoding.TextMarshaler.
func (t Time) MarshalText() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, timeLayout), nil
}

// UnmarshalText reads any RFC 3339 time.
func (t *Time) UnmarshalText(text []byte) error { return (*time.Time)(t).UnmarshalText(text) }

// Time is t as others know it.
func (t Time) Time() time.Time { return time.Time(t) }

// end is when the span was over.
func (s *Span) end() time.Time {
	return s.Timestamp.Time().Add(time.Duration(s.DurationMs * float64(time.Millisecond)))
}
