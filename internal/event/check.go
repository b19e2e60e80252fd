package event

import (
	"errors"
	"fmt"
	"math"
)

// MaxVersion bounds versions so that they fit every store's signed integers.
const MaxVersion = math.MaxInt64

// The bounds of ids, in bytes: every store has room for them in its keys.
const (
	MaxStreamIDBytes = 128
	MaxEventIDBytes  = 128
	MaxStreamBytes   = 256
	MaxFieldBytes    = 256 // of every other string in the envelope
)

// Check refuses an event that must not be imported, though it decodes: a type this program does
// not know (ErrUnknownType), a payload that its type cannot be made of, a stream that does not
// belong to its payload, ids that stores or URLs cannot take, and values out of bounds.
func Check(e *Event) error {
	payload, err := DecodePayload(e)
	if err != nil {
		return err
	}
	if e.ID == "" {
		return errors.New("eventId is missing")
	}
	if err := types[e.Type].checkStream(e); err != nil {
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

// checkStream holds the stream of e and the id in its payload together.
func (t *Type) checkStream(e *Event) error {
	f := t.Fields(e)
	id := f.ID()
	if err := CheckStreamID(id); err != nil {
		return fmt.Errorf("%s %.60q %w", t.idName, id, err)
	}
	if e.Stream != t.Kind.Stream(id) {
		return fmt.Errorf("stream is %q but %s belongs to %q", e.Stream, t.idName, t.Kind.Stream(id))
	}
	return nil
}

// checkEnvelope bounds the ids that are only carried along.
func checkEnvelope(e *Event) error {
	for _, f := range [...]struct{ name, value string }{
		{"eventId", e.ID}, {"correlationId", e.CorrelationID}, {"causationId", e.CausationID}, {"commandId", e.CommandID},
		{"commandHash", e.CommandHash}, {"actor", e.Actor}, {"traceparent", e.Traceparent},
	} {
		limit := MaxFieldBytes
		if f.name == "eventId" {
			limit = MaxEventIDBytes
		}
		if err := checkID(f.value, limit); err != nil {
			return fmt.Errorf("%s %.60q %w", f.name, f.value, err)
		}
	}
	return nil
}
