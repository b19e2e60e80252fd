package event

import (
	"errors"
	"fmt"
	"math"
)

// Decode reads one stored line of JSONL into e. It accepts every valid spelling of the envelope. As older
// versions stored them, it takes the last of repeated keys, and U+FFFD for half of a surrogate pair. It
// ignores unknown fields and treats null as absent. It fills in what a line may omit: the stream follows
// from the payload, and a line without a schema has schema 1. A missing correlationId stays empty. Decode
// only checks that the payload is a JSON object; see DecodePayload and Check for the rest. Errors name the
// field, or the byte, counted from 1. The strings and the payload of e share memory with line, so the
// caller must not change line afterwards.
func Decode(line []byte, e *Event) error {
	return (*Decoder)(nil).Decode(line, e)
}

// DecodeStrict is Decode for a line from outside. It also refuses what CheckJSON refuses, and known keys
// that are spelled in another case.
func DecodeStrict(line []byte, e *Event) error {
	d := Decoder{Strict: true}
	return d.Decode(line, e)
}

// Decoder decodes many lines. The zero value and nil behave like Decode; one from NewDecoder needs fewer
// allocations. It is not safe for concurrent use.
type Decoder struct {
	Strict bool   // behave like DecodeStrict
	shared bool   // new strings share blocks
	block  []byte // the current block
	seen   [][]byte
}

// NewDecoder returns a Decoder for readers of whole logs. The strings that it creates share blocks of
// memory, so keeping one of them retains others.
func NewDecoder() *Decoder { return &Decoder{shared: true} }

// Reset lets the Decoder reuse its memory. The strings of all events decoded so far must no longer be
// used.
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
	fieldCommand
	fieldRole
	fieldRoute
	fieldOrigin
	fieldCount
)

// fieldKeys are the keys as they are usually written.
var fieldKeys = [fieldCount]string{`"eventId":`, `"type":`, `"occurredAt":`, `"correlationId":`, `"payload":`, `"stream":`,
	`"version":`, `"schema":`, `"causationId":`, `"commandId":`, `"commandHash":`, `"actor":`, `"traceparent":`,
	`"command":`, `"role":`, `"route":`, `"origin":`}

func fieldName(field int) string { return unquoted(fieldKeys[field]) }

// envelope holds the positions of a line's fields.
type envelope struct {
	fields [fieldCount]span
	more   bool // there are fields other than the first five, which every log has
}

// Decode is like the function Decode, using this Decoder's memory.
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
	return r.err
}

// envelope reads a whole line. It does not interpret values before the end of the line, since the last of
// repeated keys counts.
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
		value := s.value(1)
		if field != fieldUnknown {
			v.fields[field] = value
			v.more = v.more || field > fieldPayload
		}
	}
	return s.end()
}

func (r *reader) required(v *envelope, e *Event) {
	for _, field := range [...]int{fieldID, fieldType, fieldOccurredAt, fieldPayload} {
		if v.fields[field].absent() {
			r.fail(fmt.Errorf("%s is missing", fieldName(field)))
			return
		}
	}
	e.ID = r.text("eventId", v.fields[fieldID])
	e.Type = known(r.text("type", v.fields[fieldType]))
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

func (r *reader) optional(v *envelope, e *Event) {
	e.Stream = r.text("stream", v.fields[fieldStream])
	e.Version = uint64(r.integer("version", v.fields[fieldVersion], 0, MaxVersion))
	e.Schema = int(r.integer("schema", v.fields[fieldSchema], 0, math.MaxInt32))
	e.CausationID = r.text("causationId", v.fields[fieldCausationID])
	e.CommandID = r.text("commandId", v.fields[fieldCommandID])
	e.CommandHash = r.text("commandHash", v.fields[fieldCommandHash])
	e.Actor = r.text("actor", v.fields[fieldActor])
	e.Traceparent = r.text("traceparent", v.fields[fieldTraceparent])
	e.Command = r.text("command", v.fields[fieldCommand])
	e.Role = r.text("role", v.fields[fieldRole])
	e.Route = r.text("route", v.fields[fieldRoute])
	e.Origin = r.text("origin", v.fields[fieldOrigin])
}

// complete fills in what an imported line may omit. It inspects the payload for that, and for what a
// strict reader refuses.
func (r *reader) complete(v *envelope, e *Event) {
	if e.Schema == 0 {
		e.Schema = 1
	}
	t := ofType(e.Type)
	if r.err != nil || t == nil || e.Stream != "" && !r.strict {
		return
	}
	f := t.within(r, v.fields[fieldPayload])
	if e.Stream != "" || r.err != nil {
		return
	}
	id := r.text(t.idName, f.span(t.Kind.Key))
	if id == "" {
		r.fail(fmt.Errorf("%s has neither a stream nor %s", e.Type, t.idName))
		return
	}
	e.Stream = r.decoder.joined(t.Kind.Prefix, id)
}

// within finds the fields of a payload inside its line. A strict reader refuses keys that are spelled in
// another case, and times that only older versions accepted.
func (t *Type) within(r *reader, payload span) Object {
	o := Object{reader: reader{data: r.data}, keys: t.keys}
	s := scanner{data: r.data[:payload.end], at: int(payload.start) + 1, strict: r.strict}
	o.find(&s, t.inner)
	if s.err != nil {
		r.fail(s.err)
	}
	if r.strict {
		for _, i := range t.instants {
			r.instant("payload."+unquoted(t.keys[i]), o.spans[i])
		}
	}
	return o
}
