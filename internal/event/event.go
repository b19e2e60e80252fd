// Package event defines what is stored: the envelope that every event has, how the types of events
// are defined with their schemas, and the JSONL form in which both are read and written. It knows
// no domain, store or clock, so that a log written today can be read by every part of the system
// and by every later version of it.
package event

import (
	"bytes"
	"strings"
)

// Event is one fact: an envelope around a payload. Payload holds the JSON object exactly as
// it was stored, in the schema it was stored in; DecodePayload upcasts older
// schemas. Stored events are never rewritten.
type Event struct {
	ID            string  // eventId: a ULID, unless an imported log brought its own
	Type          string  // the name of a Type, or one that this program does not know
	OccurredAt    Instant // when it happened, UTC, to the millisecond
	CorrelationID string  // the operation it belongs to
	Payload       []byte  // the payload's JSON object, as stored

	Stream      string // all events of one aggregate, such as loan-<id>
	Version     uint64 // 1, 2, 3... within the stream; 0 while not yet assigned
	Schema      int    // of the payload, for this Type; a log that names none is schema 1
	CausationID string // the event or command that caused this one
	CommandID   string // the Idempotency-Key of the command, or the id made for it
	CommandHash string // digest of the command, so that a key with another body is noticed
	Actor       string // who asked, as the entrance identified them
	Traceparent string // W3C trace context of the request that caused it
}

// Clone is a copy of e that shares no memory with the line it was decoded from.
func (e *Event) Clone() Event {
	c := *e
	c.Payload = bytes.Clone(e.Payload)
	for _, s := range []*string{&c.ID, &c.Type, &c.CorrelationID, &c.Stream, &c.CausationID, &c.CommandID, &c.CommandHash, &c.Actor, &c.Traceparent} {
		*s = strings.Clone(*s)
	}
	return c
}
