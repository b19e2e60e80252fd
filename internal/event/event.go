// Package event defines what is stored: the envelope of every event, the registration of event types with
// their schemas, and the JSONL form of events. It knows no domain, store or clock, so every part of the
// system, and every later version, can read a log written today.
package event

import (
	"bytes"
	"strings"
)

// Event is one fact: an envelope around a payload. Payload is the JSON object exactly as it was stored, in
// the schema of that time; DecodePayload upcasts older schemas. Stored events are never rewritten.
type Event struct {
	ID            string  // eventId: a ULID, unless an imported log brought its own
	Type          string  // the name of a Type, or a name unknown to this program
	OccurredAt    Instant // when it happened, UTC, to the millisecond
	CorrelationID string  // the operation that the event belongs to
	Payload       []byte  // the payload's JSON object, as stored

	Stream      string // name of the stream, such as loan-<id>
	Version     uint64 // 1, 2, 3... within the stream; 0 if not assigned yet
	Schema      int    // of the payload, for this Type; 1 for a log that names none
	CausationID string // the event or command that caused this one
	CommandID   string // the Idempotency-Key of the command, or the id generated for it
	CommandHash string // digest of the command, which reveals a key reused with another body
	Actor       string // the caller, as the entrance identified them
	Traceparent string // W3C trace context of the request that caused it

	// Who sent the command, besides Actor: its audit entry. Events from before there were any, and those of
	// imported logs, have none.
	Command string // name of the command
	Role    string // of the caller
	Route   string // by which it came, such as POST /loans
	Origin  string // the caller's name, address and program, encrypted under the key of the subject
}

// RouteImport is the Route of an event that an import brought without saying who sent its command.
const RouteImport = "import"

// Clone returns a copy of e that shares no memory with the line it was decoded from.
func (e *Event) Clone() Event {
	c := *e
	c.Payload = bytes.Clone(e.Payload)
	for _, s := range []*string{&c.ID, &c.Type, &c.CorrelationID, &c.Stream, &c.CausationID, &c.CommandID, &c.CommandHash, &c.Actor, &c.Traceparent, &c.Command, &c.Role, &c.Route, &c.Origin} {
		*s = strings.Clone(*s)
	}
	return c
}
