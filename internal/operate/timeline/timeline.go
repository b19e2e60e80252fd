// Package timeline combines everything known about one operation: its request, commands and events, their
// state in the read models, and every other log line, in order. The sources are ports, so it works for a data
// folder and for a stack on AWS; combining them is pure.
package timeline

import (
	"encoding/json"
	"strings"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
)

// Kind is the kind of an entry.
type Kind string

// The kinds, in the order of entries of one millisecond.
const (
	KindRequest Kind = "request"
	KindCommand Kind = "command"
	KindQuery   Kind = "query"
	KindEvent   Kind = "event"
	KindLog     Kind = "log"
)

var ranks = map[Kind]int{KindRequest: 0, KindCommand: 1, KindQuery: 1, KindEvent: 2, KindLog: 3}

// Timeline is everything known about one operation.
type Timeline struct {
	CorrelationID string   `json:"correlationId"`
	Streams       []string `json:"streams"` // of its commands and events
	Traces        []Trace  `json:"traces"`
	Entries       []Entry  `json:"entries"`         // oldest first
	Notes         []string `json:"notes,omitempty"` // what is missing, and why
}

// Trace is a trace of the operation, with its address if known.
type Trace struct {
	ID  string `json:"traceId"`
	URL string `json:"url,omitempty"`
}

// Placeholders for a trace id in templates of addresses, in the formats of W3C and of X-Ray.
const (
	TraceIDPlace     = "{traceId}"
	XRayTraceIDPlace = "{xrayTraceId}"
)

// NamesTrace reports whether a template has a placeholder for a trace id.
func NamesTrace(template string) bool {
	return strings.Contains(template, TraceIDPlace) || strings.Contains(template, XRayTraceIDPlace)
}

// xrayTime is how many digits of an id are a time in X-Ray.
const xrayTime = 8

// TraceURL returns the address of a trace.
func TraceURL(template, id string) string {
	xray := id
	if len(id) > xrayTime {
		xray = "1-" + id[:xrayTime] + "-" + id[xrayTime:]
	}
	return strings.NewReplacer(TraceIDPlace, id, XRayTraceIDPlace, xray).Replace(template)
}

// Link sets the addresses of the traces from a template.
func (t *Timeline) Link(template string) {
	for i := range t.Traces {
		t.Traces[i].URL = TraceURL(template, t.Traces[i].ID)
	}
}

// Entry is one thing that happened. Its fields depend on its kind.
type Entry struct {
	At   event.Instant `json:"at"`
	Kind Kind          `json:"kind"`
	What string        `json:"what"` // method and path, name of a command or query, type of an event, message

	// Of a request, command or query. If Result is empty, it has not ended as far as the log shows.
	Status     int      `json:"status,omitempty"`
	DurationMs *float64 `json:"durationMs,omitempty"`
	Result     string   `json:"result,omitempty"`
	Repeated   bool     `json:"repeated,omitempty"` // the command had been executed before

	Code       string `json:"code,omitempty"` // of a refusal
	ErrorClass string `json:"errorClass,omitempty"`
	Error      string `json:"error,omitempty"`

	Stream    string      `json:"stream,omitempty"`
	Version   uint64      `json:"version,omitempty"`
	EventID   string      `json:"eventId,omitempty"`
	Number    uint64      `json:"eventNumber,omitempty"` // of an event: its number in the log, if known
	Actor     string      `json:"actor,omitempty"`
	Projected []Projected `json:"projected,omitempty"` // of an event: its state in each projection

	Function string          `json:"function,omitempty"`
	Level    string          `json:"level,omitempty"`
	TraceID  string          `json:"traceId,omitempty"`
	Fields   json.RawMessage `json:"fields,omitempty"` // of a log line, as it was written
}

// Failed reports whether an entry is a failure.
func (e *Entry) Failed() bool { return e.Error != "" || e.Result == observe.ResultNG }

// State is the state of an event in a read model.
type State string

// The states. An event is applied once the row includes it. An event that the row lacks is behind (still to
// be delivered or healed), parked (cannot be applied), or blocked (waits for one that cannot be applied).
const (
	StateApplied State = "applied"
	StateBehind  State = "behind"
	StateParked  State = "parked"
	StateBlocked State = "blocked"
)

// Projected is the state of an event in the active version of a projection.
type Projected struct {
	Table      string             `json:"table"`
	State      State              `json:"state"`
	RowVersion uint64             `json:"rowVersion"` // 0: there is no row
	Parked     *projection.Parked `json:"parked,omitempty"`
}

// projected derives the state of an event from the row of its stream.
func projected(version uint64, row *Row) Projected {
	p := Projected{Table: row.Table, State: StateBehind, RowVersion: row.Version}
	switch {
	case version <= row.Version:
		p.State = StateApplied
	case row.Parked == nil:
	case version == row.Parked.EventVersion:
		p.State, p.Parked = StateParked, row.Parked
	case version > row.Parked.EventVersion:
		p.State, p.Parked = StateBlocked, row.Parked
	}
	return p
}
