// Package timeline tells the whole story of one operation: its request, commands and events,
// what became of the events in the read models, and every other log line, in one order. The
// sources are ports, so that a data folder and a stack on AWS tell it alike; how they are put
// together is pure.
package timeline

import (
	"encoding/json"
	"strings"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
)

// Kind is what an entry tells of.
type Kind string

// The kinds, in the order in which entries of one millisecond stand.
const (
	KindRequest Kind = "request"
	KindCommand Kind = "command"
	KindQuery   Kind = "query"
	KindEvent   Kind = "event"
	KindLog     Kind = "log"
)

var ranks = map[Kind]int{KindRequest: 0, KindCommand: 1, KindQuery: 1, KindEvent: 2, KindLog: 3}

// Timeline is everything known of one operation.
type Timeline struct {
	CorrelationID string   `json:"correlationId"`
	Streams       []string `json:"streams"` // of its commands and events
	Traces        []Trace  `json:"traces"`
	Entries       []Entry  `json:"entries"`         // oldest first
	Notes         []string `json:"notes,omitempty"` // what is not in it, and why
}

// Trace is a trace that the operation is in, with an address that shows it where there is one.
type Trace struct {
	ID  string `json:"traceId"`
	URL string `json:"url,omitempty"`
}

// Where the id of a trace stands in a template of addresses, as W3C writes it and as X-Ray does.
const (
	TraceIDPlace     = "{traceId}"
	XRayTraceIDPlace = "{xrayTraceId}"
)

// NamesTrace reports whether a template has a place for the id of a trace.
func NamesTrace(template string) bool {
	return strings.Contains(template, TraceIDPlace) || strings.Contains(template, XRayTraceIDPlace)
}

// xrayTime is how many digits of an id are a time to X-Ray.
const xrayTime = 8

// TraceURL is the address of a trace.
func TraceURL(template, id string) string {
	xray := id
	if len(id) > xrayTime {
		xray = "1-" + id[:xrayTime] + "-" + id[xrayTime:]
	}
	return strings.NewReplacer(TraceIDPlace, id, XRayTraceIDPlace, xray).Replace(template)
}

// Link gives the traces their addresses.
func (t *Timeline) Link(template string) {
	for i := range t.Traces {
		t.Traces[i].URL = TraceURL(template, t.Traces[i].ID)
	}
}

// Entry is one thing that has happened. Which fields it has depends on its kind.
type Entry struct {
	At   event.Instant `json:"at"`
	Kind Kind          `json:"kind"`
	What string        `json:"what"` // method and path, name of a command or query, type of an event, message

	// Of a request, command or query. Without a result it has not ended, as far as the log knows.
	Status     int      `json:"status,omitempty"`
	DurationMs *float64 `json:"durationMs,omitempty"`
	Result     string   `json:"result,omitempty"`
	Repeated   bool     `json:"repeated,omitempty"` // the command had been carried out before

	Code       string `json:"code,omitempty"` // of a refusal
	ErrorClass string `json:"errorClass,omitempty"`
	Error      string `json:"error,omitempty"`

	Stream    string      `json:"stream,omitempty"`
	Version   uint64      `json:"version,omitempty"`
	EventID   string      `json:"eventId,omitempty"`
	Number    uint64      `json:"eventNumber,omitempty"` // of an event in the whole log, where known
	Actor     string      `json:"actor,omitempty"`
	Projected []Projected `json:"projected,omitempty"` // what became of an event

	Function string          `json:"function,omitempty"`
	Level    string          `json:"level,omitempty"`
	TraceID  string          `json:"traceId,omitempty"`
	Fields   json.RawMessage `json:"fields,omitempty"` // a log line as it was written
}

// Failed reports whether an entry tells of something that did not go well.
func (e *Entry) Failed() bool { return e.Error != "" || e.Result == observe.ResultNG }

// State says what became of an event in a read model.
type State string

// An event is applied once the row holds it. One that the row lacks is yet to be delivered or
// healed (behind), cannot be applied (parked), or waits behind one that cannot (blocked).
const (
	StateApplied State = "applied"
	StateBehind  State = "behind"
	StateParked  State = "parked"
	StateBlocked State = "blocked"
)

// Projected is what became of an event in the version of a read model that readers see.
type Projected struct {
	Table      string             `json:"table"`
	State      State              `json:"state"`
	RowVersion uint64             `json:"rowVersion"` // 0: there is no row
	Parked     *projection.Parked `json:"parked,omitempty"`
}

// projected judges an event by the row of its stream.
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
