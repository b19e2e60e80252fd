package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// New makes an event of a payload, in the schema written today. The envelope's other fields
// are the caller's to fill in.
func New(p Payload) (Event, error) {
	raw, err := json.Marshal(p)
	if err != nil {
		return Event{}, fmt.Errorf("encoding %s: %w", p.EventType(), err)
	}
	return Event{Type: p.EventType(), Schema: p.EventSchema(), Payload: raw}, nil
}

type envelope struct {
	ID            string          `json:"eventId"`
	Type          string          `json:"type"`
	OccurredAt    Instant         `json:"occurredAt"`
	CorrelationID string          `json:"correlationId"`
	Payload       json.RawMessage `json:"payload"`
	Stream        string          `json:"stream,omitempty"`
	Version       uint64          `json:"version,omitempty"`
	Schema        int             `json:"schema,omitempty"`
	CausationID   string          `json:"causationId,omitempty"`
	CommandID     string          `json:"commandId,omitempty"`
	CommandHash   string          `json:"commandHash,omitempty"`
	Actor         string          `json:"actor,omitempty"`
	Traceparent   string          `json:"traceparent,omitempty"`
}

// Decode reads one line of JSONL into e. It accepts every valid spelling of the envelope
// and ignores fields that it does not know. The strings of e share memory with line: the
// caller must not change line afterwards.
func Decode(line []byte, e *Event) error {
	var v envelope
	if err := json.Unmarshal(line, &v); err != nil {
		return err
	}
	*e = Event(struct {
		ID            string
		Type          string
		OccurredAt    Instant
		CorrelationID string
		Payload       []byte
		Stream        string
		Version       uint64
		Schema        int
		CausationID   string
		CommandID     string
		CommandHash   string
		Actor         string
		Traceparent   string
	}{v.ID, v.Type, v.OccurredAt, v.CorrelationID, v.Payload, v.Stream, v.Version, v.Schema, v.CausationID, v.CommandID, v.CommandHash, v.Actor, v.Traceparent})
	return e.complete()
}

// complete fills in what an imported line may leave out: the stream follows from the
// payload, and a log that names no schema is the first one.
func (e *Event) complete() error {
	if e.ID == "" || e.Type == "" {
		return errors.New("eventId and type must be there and not empty")
	}
	if e.Schema == 0 {
		e.Schema = 1
	}
	if e.Stream == "" && strings.HasPrefix(e.Type, "Order") {
		var p struct {
			OrderID string `json:"orderId"`
		}
		if err := json.Unmarshal(e.Payload, &p); err != nil || p.OrderID == "" {
			return fmt.Errorf("%s without a stream and without payload.orderId", e.Type)
		}
		e.Stream = OrderStream(p.OrderID)
	}
	return nil
}

// AppendJSON appends e as one line of JSONL, without the newline.
func AppendJSON(dst []byte, e *Event) []byte {
	raw, err := json.Marshal(envelope{e.ID, e.Type, e.OccurredAt, e.CorrelationID, e.Payload, e.Stream, e.Version, e.Schema, e.CausationID, e.CommandID, e.CommandHash, e.Actor, e.Traceparent})
	if err != nil {
		panic(err)
	}
	return append(dst, raw...)
}

// Decode reads the payload of e and brings older schemas up to date.
func (p *OrderPlaced) Decode(e *Event) error { return decodePayload(e, p, p.EventSchema()) }

// Decode reads the payload of e and brings older schemas up to date.
func (p *OrderPaid) Decode(e *Event) error {
	if err := decodePayload(e, p, p.EventSchema()); err != nil {
		return err
	}
	if e.Schema < 2 && p.Method == "" {
		p.Method = MethodUnknown
	}
	return nil
}

// Decode reads the payload of e.
func (p *OrderPreparationStarted) Decode(e *Event) error { return decodePayload(e, p, p.EventSchema()) }

// Decode reads the payload of e.
func (p *OrderReady) Decode(e *Event) error { return decodePayload(e, p, p.EventSchema()) }

// Decode reads the payload of e.
func (p *OrderPickedUp) Decode(e *Event) error { return decodePayload(e, p, p.EventSchema()) }

// Decode reads the payload of e.
func (p *OrderCancelled) Decode(e *Event) error { return decodePayload(e, p, p.EventSchema()) }

// Decode reads the payload of e.
func (p *OrderRefunded) Decode(e *Event) error { return decodePayload(e, p, p.EventSchema()) }

// ErrUnknownType is the error of DecodePayload for a type this version does not know.
var ErrUnknownType = errors.New("unknown event type")

// DecodePayload reads the payload of e as the type its envelope names.
func DecodePayload(e *Event) (Payload, error) {
	switch e.Type {
	case OrderPlacedType:
		var p OrderPlaced
		return p, p.Decode(e)
	}
	return nil, fmt.Errorf("%w %q", ErrUnknownType, e.Type)
}

func decodePayload(e *Event, into any, newest int) error {
	if e.Schema > newest {
		return fmt.Errorf("schema %d of %s is newer than this program knows (%d): use a newer gakushoku", e.Schema, e.Type, newest)
	}
	if err := json.Unmarshal(e.Payload, into); err != nil {
		return fmt.Errorf("payload of %s: %w", e.Type, err)
	}
	return nil
}
