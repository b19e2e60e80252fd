package event

import (
	"errors"
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
	return (*Decoder)(nil).Decode(line, e)
}

// Decoder decodes many lines. Its zero value, or nil, does what Decode does; one from
// NewDecoder needs fewer allocations. It is not safe for concurrent use.
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
)

// fieldKeys is how the keys are usually written.
var fieldKeys = [fieldCount]string{`"eventId":`, `"type":`, `"occurredAt":`, `"correlationId":`, `"payload":`, `"stream":`,
	`"version":`, `"schema":`, `"causationId":`, `"commandId":`, `"commandHash":`, `"actor":`, `"traceparent":`}

func fieldName(field int) string { return unquoted(fieldKeys[field]) }

// envelope is where the fields of a line stand, and the payload's orderId, which is picked up
// on the way.
type envelope struct {
	fields  [fieldCount]span
	orderID span
	more    bool // there are others than the first five, which every log has
}

// Decode is the function Decode with this Decoder's memory.
func (d *Decoder) Decode(line []byte, e *Event) error {
	s := newScanner(line)
	var v envelope
	if !s.envelope(&v) {
		return s.err
	}
	*e = Event{}
	r := reader{data: line, decoder: d}
	r.required(&v, e)
	e.CorrelationID = r.text("correlationId", v.fields[fieldCorrelationID])
	if v.more {
		r.optional(&v, e)
	}
	r.complete(&v, e)
	return r.err
}

// envelope reads a whole line. Values are only looked at once the line has been read, since
// the last of repeated keys counts.
func (s *scanner) envelope(v *envelope) bool {
	if !s.open('{', "'{', the beginning of an event") {
		return false
	}
	next := 0
	for first := true; s.more(first, '}'); first = false {
		field, ok := s.oneOf(fieldKeys[:], next)
		if !ok {
			return false
		}
		next = field + 1
		switch {
		case field == fieldPayload && s.peek() == '{':
			v.fields[fieldPayload] = s.payload(&v.orderID)
		case field != fieldUnknown:
			v.fields[field] = s.value(1)
			v.more = v.more || field > fieldPayload
		default:
			s.value(1)
		}
	}
	return s.end()
}

// payload steps over an object and notes its orderId.
func (s *scanner) payload(orderID *span) span {
	start := s.at
	s.at++
	*orderID = span{}
	for first := true; s.more(first, '}'); first = false {
		field, ok := s.oneOf(payloadKeys[:1], 0)
		if !ok {
			return span{}
		}
		if v := s.value(2); field == 0 {
			*orderID = v
		}
	}
	return s.from(start, '{')
}

func (r *reader) required(v *envelope, e *Event) {
	for _, field := range [...]int{fieldID, fieldType, fieldOccurredAt, fieldPayload} {
		if v.fields[field].absent() {
			r.fail(fmt.Errorf("%s is missing", fieldName(field)))
			return
		}
	}
	e.ID = r.text("eventId", v.fields[fieldID])
	e.Type = knownType(r.text("type", v.fields[fieldType]))
	e.OccurredAt = r.instant("occurredAt", v.fields[fieldOccurredAt])
	switch payload := v.fields[fieldPayload]; {
	case payload.kind != '{':
		r.fail(wrongKind("payload", payload, "an object"))
	case e.ID == "":
		r.fail(errors.New("eventId is empty"))
	case e.Type == "":
		r.fail(errors.New("type is empty"))
	default:
		e.Payload = r.data[payload.start:payload.end:payload.end]
	}
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

func (r *reader) optional(v *envelope, e *Event) {
	e.Stream = r.text("stream", v.fields[fieldStream])
	e.Version = uint64(r.integer("version", v.fields[fieldVersion], 0, MaxVersion))
	e.Schema = int(r.integer("schema", v.fields[fieldSchema], 0, math.MaxInt32))
	e.CausationID = r.text("causationId", v.fields[fieldCausationID])
	e.CommandID = r.text("commandId", v.fields[fieldCommandID])
	e.CommandHash = r.text("commandHash", v.fields[fieldCommandHash])
	e.Actor = r.text("actor", v.fields[fieldActor])
	e.Traceparent = r.text("traceparent", v.fields[fieldTraceparent])
}

// complete fills in what an imported line may leave out.
func (r *reader) complete(v *envelope, e *Event) {
	if e.Schema == 0 {
		e.Schema = 1
	}
	if r.err != nil || e.Stream != "" || !strings.HasPrefix(e.Type, "Order") {
		return
	}
	orderID := r.text("payload.orderId", v.orderID)
	if orderID == "" {
		r.fail(fmt.Errorf("%s has neither a stream nor payload.orderId", e.Type))
		return
	}
	e.Stream = r.decoder.joined(OrderStreamPrefix, orderID)
}
