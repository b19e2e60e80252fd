// Package spans defines the format in which a server keeps spans, one JSON object per line, and finds the
// slowest operations with what they spent their time on. It is pure.
package spans

import "time"

// Span is a timed part of an operation.
type Span struct {
	Timestamp  Time           `json:"timestamp"` // of the start
	Name       string         `json:"name"`
	Kind       string         `json:"kind,omitempty"`
	DurationMs float64        `json:"durationMs"`
	TraceID    string         `json:"trace_id"`
	SpanID     string         `json:"span_id"`
	ParentID   string         `json:"parent_id,omitempty"` // within the same process
	Error      string         `json:"error,omitempty"`     // if it failed
	Attributes map[string]any `json:"attributes,omitempty"`
	Links      []string       `json:"links,omitempty"` // traces that caused it

	Group string `json:"-"` // of a log line: tells operations of one trace apart
}

// key is common to a span and the spans within it.
func (s *Span) key() string { return s.Group + "/" + s.TraceID + "/" }

// Time is formatted in UTC with microseconds, so that texts sort by time.
type Time time.Time

const timeLayout = "2006-01-02T15:04:05.000000Z"

// MarshalText is encoding.TextMarshaler.
func (t Time) MarshalText() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, timeLayout), nil
}

// UnmarshalText parses any RFC 3339 time.
func (t *Time) UnmarshalText(text []byte) error { return (*time.Time)(t).UnmarshalText(text) }

// Time converts t.
func (t Time) Time() time.Time { return time.Time(t) }

// end returns when the span ended.
func (s *Span) end() time.Time {
	return s.Timestamp.Time().Add(time.Duration(s.DurationMs * float64(time.Millisecond)))
}
