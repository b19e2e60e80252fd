package event

import (
	"errors"
	"fmt"
	"math"
	"reflect"
)

// MaxVersion bounds versions so that they fit the signed integers of every store.
const MaxVersion = math.MaxInt64

// The bounds of ids in bytes. Every store has room for them in its keys.
const (
	MaxStreamIDBytes = 128
	MaxEventIDBytes  = 128
	MaxStreamBytes   = 256
	MaxFieldBytes    = 256 // of all other strings in the envelope
	MaxOriginBytes   = 1024
)

// Check refuses an event that decodes but must not be imported: its type is unknown (ErrUnknownType), its
// payload does not match the type, its stream does not belong to its payload, its ids do not fit into
// stores or URLs, or its values are out of bounds.
func Check(e *Event) error {
	payload, err := DecodePayload(e)
	if err != nil {
		return err
	}
	if e.ID == "" {
		return errors.New("eventId is missing")
	}
	if err := types[e.Type].checkStream(e, payload); err != nil {
		return err
	}
	if e.Version > MaxVersion {
		return fmt.Errorf("version %d is above %d", e.Version, uint64(MaxVersion))
	}
	if err := checkEnvelope(e); err != nil {
		return err
	}
	if err := CheckInstant("occurredAt", e.OccurredAt); err != nil {
		return err
	}
	if c, ok := payload.(Checker); ok {
		return c.Check()
	}
	return nil
}

// checkStream checks that the stream of e matches the id in its payload.
func (t *Type) checkStream(e *Event, payload Payload) error {
	id := reflect.ValueOf(payload).FieldByIndex(t.id).String()
	if t.Kind == allStreams {
		return checkNamed(e.Stream, id)
	}
	if err := CheckStreamID(id); err != nil {
		return fmt.Errorf("%s %.60q %w", t.idName, id, err)
	}
	if e.Stream != t.Kind.Stream(id) {
		return fmt.Errorf("stream is %q but %s belongs to %q", e.Stream, t.idName, t.Kind.Stream(id))
	}
	return nil
}

// checkNamed is checkStream for a type of every kind: the payload names the stream.
func checkNamed(stream, named string) error {
	if named != stream {
		return fmt.Errorf("stream is %q but payload.stream is %q", stream, named)
	}
	_, id, ok := KindOf(stream)
	if !ok {
		return fmt.Errorf("stream %.60q is of no known kind", stream)
	}
	if err := CheckStreamID(id); err != nil {
		return fmt.Errorf("stream %.60q %w", stream, err)
	}
	return nil
}

// checkEnvelope bounds the ids that are stored but not interpreted.
func checkEnvelope(e *Event) error {
	for _, f := range [...]struct{ name, value string }{
		{"eventId", e.ID}, {"correlationId", e.CorrelationID}, {"causationId", e.CausationID}, {"commandId", e.CommandID},
		{"commandHash", e.CommandHash}, {"actor", e.Actor}, {"traceparent", e.Traceparent},
		{"command", e.Command}, {"role", e.Role}, {"route", e.Route}, {"origin", e.Origin},
	} {
		limit := MaxFieldBytes
		switch f.name {
		case "eventId":
			limit = MaxEventIDBytes
		case "origin":
			limit = MaxOriginBytes
		}
		if err := checkID(f.value, limit); err != nil {
			return fmt.Errorf("%s %.60q %w", f.name, f.value, err)
		}
	}
	return nil
}
