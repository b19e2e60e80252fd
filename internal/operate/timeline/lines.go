package timeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"gakushoku/internal/event"
)

// line is a log line with the fields that a timeline uses.
type line struct {
	Level         string
	Timestamp     string
	Message       string
	Function      string
	CorrelationID string   `json:"correlationId"`
	TraceID       string   `json:"trace_id"`
	SpanID        string   `json:"span_id"`
	Stream        string   `json:"stream"`
	Method        string   `json:"method"`
	Path          string   `json:"path"`
	CommandName   string   `json:"commandName"`
	QueryName     string   `json:"queryName"`
	Status        int      `json:"status"`
	DurationMs    *float64 `json:"durationMs"`
	Result        string   `json:"result"`
	Repeated      bool     `json:"repeated"`
	Code          string   `json:"code"`
	ErrorClass    string   `json:"errorClass"`
	Error         string   `json:"error"`
	Version       uint64   `json:"version"`
	EventID       string   `json:"eventId"`

	at  event.Instant
	raw []byte
}

// readLine reads a line. A line that is not JSON, such as one of a stack trace, becomes the message. A line
// without a time has the time of the line before.
func readLine(raw []byte, before event.Instant) line {
	l := line{}
	var wrongType *json.UnmarshalTypeError
	if err := json.Unmarshal(raw, &l); err != nil && !errors.As(err, &wrongType) {
		return line{Message: string(raw), at: before}
	}
	l.raw = raw
	at, err := event.ParseInstant(l.Timestamp)
	if err != nil {
		at = before
	}
	l.at = at
	return l
}

// stream returns the stream that a line concerns, by its name or by the id of its aggregate; "" if there is
// none.
func (l *line) stream() string {
	if l.Stream != "" {
		return l.Stream
	}
	for _, k := range event.Kinds() {
		if !bytes.Contains(l.raw, []byte(`"`+k.Key+`"`)) {
			continue
		}
		var fields map[string]any
		if json.Unmarshal(l.raw, &fields) != nil {
			return ""
		}
		if id, _ := fields[k.Key].(string); id != "" {
			return k.Stream(id)
		}
	}
	return ""
}

// moment returns the request, command or query that a line begins or ends; ok is false for any other line.
func (l *line) moment() (kind Kind, what string, begins, ok bool) {
	area, name, _ := strings.Cut(l.Message, ":")
	switch area {
	case "request":
		kind, what = KindRequest, l.Method+" "+l.Path
	case "command":
		kind, what = KindCommand, l.CommandName
	case "query":
		kind, what = KindQuery, l.QueryName
	default:
		return "", "", false, false
	}
	switch name {
	case "start":
		return kind, what, true, true
	case "end", "success", "failed":
		return kind, what, false, true
	}
	return "", "", false, false
}

// entry returns the entry of a line that neither begins nor ends anything.
func (l *line) entry() Entry {
	what := l.Message
	if what == "" {
		what = string(l.raw)
	}
	return Entry{
		At: l.at, Kind: KindLog, What: what, Level: l.Level, Function: l.Function, TraceID: l.TraceID, Stream: l.stream(), Version: l.Version,
		EventID: l.EventID, ErrorClass: l.ErrorClass, Error: l.Error, Code: l.Code, Fields: l.raw,
	}
}

// stages combines the lines that begin and end the same thing.
type stages struct {
	entries []*Entry
	open    map[stage]*Entry
}

// stage identifies what begins and ends.
type stage struct {
	kind               Kind
	what, span, stream string
}

func (s *stages) add(l *line) {
	kind, what, begins, ok := l.moment()
	if !ok {
		e := l.entry()
		s.entries = append(s.entries, &e)
		return
	}
	key := stage{kind, what, l.SpanID, l.Stream}
	e := s.open[key]
	if e == nil || begins {
		e = &Entry{At: l.at, Kind: kind, What: what, Level: l.Level, Function: l.Function, TraceID: l.TraceID, Stream: l.stream()}
		if !begins && l.DurationMs != nil {
			e.At -= event.Instant(*l.DurationMs) // its beginning was not logged, or the line is gone
		}
		s.entries = append(s.entries, e)
		s.open[key] = e
	}
	if begins {
		return
	}
	delete(s.open, key)
	e.Level, e.Status, e.DurationMs, e.Result, e.Repeated = l.Level, l.Status, l.DurationMs, l.Result, l.Repeated
	e.Code, e.ErrorClass, e.Error, e.Version, e.EventID = l.Code, l.ErrorClass, l.Error, l.Version, l.EventID
}
