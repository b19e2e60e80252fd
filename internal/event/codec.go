package event

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Decode reads one stored line of JSONL into e. It accepts every valid spelling of the envelope,
// takes the last of repeated keys and U+FFFD for half of a surrogate pair, as older versions
// stored them, and ignores fields that it does not know; null stands for an absent field. What may be left out is filled in: the stream of an order's event follows
// from its payload, and a log that names no schema is the first one. A missing correlationId
// stays empty. The payload is checked to be a JSON object, no more: see DecodePayload and
// Check. Errors name the byte, counted from 1, or the field. The strings and the payload of e
// share memory with line: the caller must not change line afterwards.
func Decode(line []byte, e *Event) error {
	return (*Decoder)(nil).Decode(line, e)
}

// DecodeStrict is Decode for a line from outside: it refuses what CheckJSON refuses, and known keys
// that are spelled in another case.
func DecodeStrict(line []byte, e *Event) error {
	d := Decoder{Strict: true}
	return d.Decode(line, e)
}

// Decoder decodes many lines. Its zero value, or nil, does what Decode does; one from
// NewDecoder needs fewer allocations. It is not safe for concurrent use.
type Decoder struct {
	Strict bool   // do what DecodeStrict does
	shared bool   // strings that have to be made share blocks
	block  []byte // the current one
	seen   [][]byte
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

// envelope is where the fields of a line stand, and those of the payload that are picked up on the
// way.
type envelope struct {
	fields  [fieldCount]span
	orderID span
	paidAt  span
	lines   span
	more    bool // there are others than the first five, which every log has
}

// Decode is the function Decode with this Decoder's memory.
func (d *Decoder) Decode(line []byte, e *Event) error {
	s := newScanner(line)
	if d != nil && d.Strict {
		s.strict, s.seen = true, d.seen[:0]
	}
	var v envelope
	whole := s.envelope(&v)
	if s.strict {
		d.seen = s.seen
	}
	if !whole {
		return s.err
	}
	*e = Event{}
	r := reader{data: line, decoder: d, strict: s.strict}
	r.required(&v, e)
	e.CorrelationID = r.text("correlationId", v.fields[fieldCorrelationID])
	if v.more {
		r.optional(&v, e)
	}
	r.complete(&v, e)
	if r.strict && e.Type == OrderPaidType {
		r.instant("payload.paidAt", v.paidAt)
	}
	return r.err
}

// envelope reads a whole line. Values are only looked at once the line has been read, since
// the last of repeated keys counts.
func (s *scanner) envelope(v *envelope) bool {
	if !s.open('{', "'{', the beginning of an event") {
		return false
	}
	next := 0
	others := s.newNames(fieldKeys[:])
	for first := true; s.more(first, '}'); first = false {
		at := s.at
		field, ok := s.oneOf(fieldKeys[:], next, &others)
		if !ok {
			return false
		}
		next = field + 1
		if s.strict && field != fieldUnknown && v.fields[field].kind != 0 {
			return s.repeated([]byte(fieldName(field)), at)
		}
		switch {
		case field == fieldPayload && s.peek() == '{':
			v.fields[fieldPayload] = s.payload(v)
		case field != fieldUnknown:
			v.fields[field] = s.value(1)
			v.more = v.more || field > fieldPayload
		default:
			s.value(1)
		}
	}
	return s.end()
}

// pickedKeys are the keys of a payload that are picked up on the way, and pick is where to.
var pickedKeys = [...]string{payloadKeys[payloadOrderID], payloadKeys[payloadPaidAt], payloadKeys[payloadLines]}

func (v *envelope) pick(field int) *span {
	switch pickedKeys[field] {
	case payloadKeys[payloadOrderID]:
		return &v.orderID
	case payloadKeys[payloadPaidAt]:
		return &v.paidAt
	}
	return &v.lines
}

// payload steps over an object and picks up what is needed of it.
func (s *scanner) payload(v *envelope) span {
	start := s.at
	s.at++
	v.orderID, v.paidAt, v.lines = span{}, span{}, span{}
	others := s.newNames(payloadKeys[:])
	next := 0
	for first := true; s.more(first, '}'); first = false {
		at := s.at
		field, ok := s.oneOf(pickedKeys[:], next, &others)
		if !ok {
			return span{}
		}
		next = field + 1
		if field == fieldUnknown {
			s.value(2)
			continue
		}
		picked := v.pick(field)
		if picked == &v.lines {
			s.inner = lineKeys[:]
		}
		value := s.value(2)
		s.inner = nil
		if s.strict && picked.kind != 0 {
			s.repeated([]byte(unquoted(pickedKeys[field])), at)
			return span{}
		}
		*picked = value
	}
	others.end(s)
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
