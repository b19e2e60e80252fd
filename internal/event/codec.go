package event

import (
	"fmt"
	"math"
	"strings"
)

// Decode reads one line of JSONL into e. It accepts every valid spelling of the envelope,
// takes the last of repeated keys, and ignores fields that it does not know; null stands for
// an absent field. What may be left out is filled in: the stream of an order's event follows
// from its payload, and a log that names no schema is the first one. A missing correlationId
// stays empty. The payload is checked to be a JSON object, no more: see DecodePayload and
// Check. Errors name the byte, counted from 1, or the field. The strings and the payload of e
// share memory with line: the caller must not change line afterwards.
func Decode(line []byte, e *Event) error {
	var d Decoder
	return d.Decode(line, e)
}

// Decoder decodes many lines. Its zero value is ready for use and does what Decode does; one
// from NewDecoder needs fewer allocations. It is not safe for concurrent use.
type Decoder struct {
	shared bool   // strings that have to be made share blocks
	block  []byte // the current one
}

// NewDecoder makes a Decoder for a reader of whole logs: the strings that it has to make share
// blocks of memory, so one that is kept keeps others.
func NewDecoder() *Decoder { return &Decoder{shared: true} }

// Reset lets the Decoder use its memory again. The strings of all events that it has decoded
// must not be used any more.
func (d *Decoder) Reset() { d.block = d.block[:0] }

// The fields of the envelope, in the order in which they are written.
const (
	fieldID = iota
	fieldType
	fieldOccurredAt
	fieldCorrelationID
	fieldPayload
	fieldStream
	fieldVersion
	fieldSchema
	fieldCausationID
	fieldCommandID
	fieldCommandHash
	fieldActor
	fieldTraceparent
	fieldCount
	fieldUnknown = -1
)

var fieldNames = [fieldCount]string{"eventId", "type", "occurredAt", "correlationId", "payload", "stream", "version",
	"schema", "causationId", "commandId", "commandHash", "actor", "traceparent"}

func fieldOf(key []byte) int {
	switch string(key) {
	case "eventId":
		return fieldID
	case "type":
		return fieldType
	case "occurredAt":
		return fieldOccurredAt
	case "correlationId":
		return fieldCorrelationID
	case "payload":
		return fieldPayload
	case "stream":
		return fieldStream
	case "version":
		return fieldVersion
	case "schema":
		return fieldSchema
	case "causationId":
		return fieldCausationID
	case "commandId":
		return fieldCommandID
	case "commandHash":
		return fieldCommandHash
	case "actor":
		return fieldActor
	case "traceparent":
		return fieldTraceparent
	}
	return fieldUnknown
}

// envelope is where the fields of a line stand, and the payload's orderId, which is picked up
// on the way.
type envelope struct {
	fields  [fieldCount]span
	orderID span
}

// Decode is the function Decode with this Decoder's memory.
func (d *Decoder) Decode(line []byte, e *Event) error {
	s := newScanner(line)
	var v envelope
	if !s.envelope(&v) {
		return s.err
	}
	*e = Event{}
	if err := d.required(line, &v, e); err != nil {
		return err
	}
	if err := d.optional(line, &v, e); err != nil {
		return err
	}
	return d.complete(line, &v, e)
}

// envelope reads a whole line. Values are only looked at once the line has been read, since
// the last of repeated keys counts.
func (s *scanner) envelope(v *envelope) bool {
	if !s.open('{', "'{', the beginning of an event") {
		return false
	}
	for first := true; s.more(first, '}'); first = false {
		key, ok := s.key()
		if !ok {
			return false
		}
		switch field := fieldOf(s.name(key)); {
		case field == fieldPayload && s.peek() == '{':
			v.fields[fieldPayload] = s.payload(&v.orderID)
		case field != fieldUnknown:
			v.fields[field] = s.value(1)
		default:
			s.value(1)
		}
	}
	return s.end()
}

// name is a key's text.
func (s *scanner) name(key span) []byte {
	inner := s.data[key.start+1 : key.end-1]
	if key.escaped {
		return appendUnescaped(make([]byte, 0, len(inner)), inner)
	}
	return inner
}

// payload steps over an object and notes its orderId.
func (s *scanner) payload(orderID *span) span {
	start := s.at
	s.at++
	*orderID = span{}
	for first := true; s.more(first, '}'); first = false {
		key, ok := s.key()
		if !ok {
			return span{}
		}
		v := s.value(2)
		if string(s.name(key)) == "orderId" {
			*orderID = v
		}
	}
	return s.from(start, '{')
}

func (d *Decoder) required(line []byte, v *envelope, e *Event) error {
	for _, field := range [...]int{fieldID, fieldType, fieldOccurredAt, fieldPayload} {
		if v.fields[field].absent() {
			return fmt.Errorf("%s is missing", fieldNames[field])
		}
	}
	payload := v.fields[fieldPayload]
	if payload.kind != '{' {
		return wrongKind("payload", payload, "an object")
	}
	e.Payload = line[payload.start:payload.end:payload.end]
	var occurredAt string
	for _, f := range [...]struct {
		field int
		into  *string
	}{{fieldID, &e.ID}, {fieldType, &e.Type}, {fieldOccurredAt, &occurredAt}} {
		if err := d.string(line, fieldNames[f.field], v.fields[f.field], f.into); err != nil {
			return err
		}
		if *f.into == "" {
			return fmt.Errorf("%s is empty", fieldNames[f.field])
		}
	}
	e.Type = knownType(e.Type)
	var err error
	if e.OccurredAt, err = ParseInstant(occurredAt); err != nil {
		return fmt.Errorf("occurredAt: %w", err)
	}
	return nil
}

// knownType maps to the constants, so that the types of many events are one string.
func knownType(t string) string {
	switch t {
	case OrderPlacedType:
		return OrderPlacedType
	case OrderPaidType:
		return OrderPaidType
	case OrderPreparationStartedType:
		return OrderPreparationStartedType
	case OrderReadyType:
		return OrderReadyType
	case OrderPickedUpType:
		return OrderPickedUpType
	case OrderCancelledType:
		return OrderCancelledType
	case OrderRefundedType:
		return OrderRefundedType
	}
	return t
}

func (d *Decoder) optional(line []byte, v *envelope, e *Event) error {
	for _, f := range [...]struct {
		field int
		into  *string
	}{
		{fieldCorrelationID, &e.CorrelationID}, {fieldStream, &e.Stream}, {fieldCausationID, &e.CausationID},
		{fieldCommandID, &e.CommandID}, {fieldCommandHash, &e.CommandHash}, {fieldActor, &e.Actor}, {fieldTraceparent, &e.Traceparent},
	} {
		if err := d.string(line, fieldNames[f.field], v.fields[f.field], f.into); err != nil {
			return err
		}
	}
	version, err := integer(line, "version", v.fields[fieldVersion], 0, MaxVersion)
	if err != nil {
		return err
	}
	schema, err := integer(line, "schema", v.fields[fieldSchema], 0, math.MaxInt32)
	if err != nil {
		return err
	}
	e.Version, e.Schema = uint64(version), int(schema)
	return nil
}

// complete fills in what an imported line may leave out.
func (d *Decoder) complete(line []byte, v *envelope, e *Event) error {
	if e.Schema == 0 {
		e.Schema = 1
	}
	if e.Stream != "" || !strings.HasPrefix(e.Type, "Order") {
		return nil
	}
	var orderID string
	if err := d.string(line, "payload.orderId", v.orderID, &orderID); err != nil {
		return err
	}
	if orderID == "" {
		return fmt.Errorf("%s has neither a stream nor payload.orderId", e.Type)
	}
	e.Stream = d.joined(OrderStreamPrefix, orderID)
	return nil
}

// string reads an optional string field.
func (d *Decoder) string(data []byte, name string, v span, into *string) error {
	switch {
	case v.absent():
		return nil
	case v.kind != '"':
		return wrongKind(name, v, "a string")
	}
	*into = d.text(data, v)
	return nil
}

// integer reads an optional integer field; 0 when it is absent.
func integer(data []byte, name string, v span, lowest, highest int64) (int64, error) {
	switch {
	case v.absent():
		return 0, nil
	case v.kind != '0':
		return 0, wrongKind(name, v, "an integer")
	}
	n, ok := parseInt(data[v.start:v.end])
	if !ok || n < lowest || n > highest {
		return 0, fmt.Errorf("byte %d: %s must be an integer from %d to %d, not %.40s", v.start+1, name, lowest, highest, data[v.start:v.end])
	}
	return n, nil
}

func wrongKind(name string, v span, want string) error {
	kinds := map[byte]string{'"': "a string", '{': "an object", '[': "an array", '0': "a number", 't': "true", 'f': "false", 'n': "null"}
	return fmt.Errorf("byte %d: %s must be %s, not %s", v.start+1, name, want, kinds[v.kind])
}
