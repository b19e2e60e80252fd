package spans

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"gakushoku/internal/observe"
)

// AttrCorrelation is the attribute with the correlation id of an operation.
const AttrCorrelation = "correlation.id"

var durationKey = []byte(`"` + observe.FieldDurationMs + `"`)

// FromLogLine converts a log line with a duration, for a server that has kept no spans. Commands and
// queries are children of the request of their trace. It returns false for other lines.
func FromLogLine(line []byte) (Span, bool) {
	if !bytes.Contains(line, durationKey) {
		return Span{}, false // most lines; parsing them would take most of the time
	}
	var l struct {
		Timestamp     Time
		Message       string
		DurationMs    *float64 `json:"durationMs"`
		TraceID       string   `json:"trace_id"`
		CorrelationID string   `json:"correlationId"`
		Method, Path  string
		CommandName   string `json:"commandName"`
		QueryName     string `json:"queryName"`
		Projection    string
		Stream        string
		ErrorClass    string `json:"errorClass"`
		Error         string
		Status        int
	}
	if json.Unmarshal(line, &l) != nil || l.DurationMs == nil {
		return Span{}, false
	}
	s := Span{
		Timestamp: Time(l.Timestamp.Time().Add(-time.Duration(*l.DurationMs * float64(time.Millisecond)))), DurationMs: *l.DurationMs,
		TraceID: l.TraceID, Group: l.CorrelationID, Error: l.Error, Attributes: map[string]any{},
	}
	for key, value := range map[string]string{AttrCorrelation: l.CorrelationID, observe.AttrStream: l.Stream, observe.AttrErrorClass: l.ErrorClass, observe.AttrProjection: l.Projection} {
		if value != "" {
			s.Attributes[key] = value
		}
	}
	area, _, _ := strings.Cut(l.Message, ":")
	switch area {
	case "request":
		s.Name, s.SpanID = l.Method+" "+l.Path, area
		s.Attributes["http.response.status_code"] = l.Status
	case "command":
		s.Name, s.SpanID, s.ParentID = l.CommandName, area+l.Timestamp.Time().String(), "request"
	case "query":
		s.Name, s.SpanID, s.ParentID = l.QueryName, area+l.Timestamp.Time().String(), "request"
	case "reproject", "projection", "archive":
		s.Name, s.SpanID = l.Message, l.Message+l.Timestamp.Time().String()
	default:
		return Span{}, false
	}
	return s, true
}
