package event

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrUnknownType is the error of DecodePayload for a type this version does not know.
var ErrUnknownType = errors.New("unknown event type")

// DecodePayload reads the payload of e as the type its envelope names, brought up to the
// newest schema. The errors are ErrUnknownType and those of the types' Decode: the schema is
// newer than this program, or the payload lacks a field or has it in another type.
func DecodePayload(e *Event) (Payload, error) {
	switch e.Type {
	case OrderPlacedType:
		return decoded[OrderPlaced](e)
	case OrderPaidType:
		return decoded[OrderPaid](e)
	case OrderPreparationStartedType:
		return decoded[OrderPreparationStarted](e)
	case OrderReadyType:
		return decoded[OrderReady](e)
	case OrderPickedUpType:
		return decoded[OrderPickedUp](e)
	case OrderCancelledType:
		return decoded[OrderCancelled](e)
	case OrderRefundedType:
		return decoded[OrderRefunded](e)
	}
	return nil, fmt.Errorf("%w %q", ErrUnknownType, e.Type)
}

// decoded is the payload as a value, as deciders answer it too.
func decoded[T Payload, P interface {
	*T
	Decode(*Event) error
}](e *Event) (Payload, error) {
	var p T
	if err := P(&p).Decode(e); err != nil {
		return nil, err
	}
	return p, nil
}

// The fields of all payloads. Payloads usually begin with the first.
const (
	payloadOrderID = iota
	payloadLines
	payloadTotal
	payloadPaidAt
	payloadMethod
	payloadReason
	payloadAmount
)

// payloadKeys is how the keys are usually written.
var payloadKeys = [...]string{`"orderId":`, `"lines":`, `"total":`, `"paidAt":`, `"paymentMethod":`, `"reason":`, `"amount":`}

// payload is a payload's fields, found and not yet read. Strings that are read share memory
// with the event.
type payload struct {
	reader
	fields [len(payloadKeys)]span

	wantLines bool // whether the type has lines, which are read on the way
	lines     []Line
	linesErr  error
}

// find finds the fields of e's payload; newest is the last schema that this program knows.
func (p *payload) find(e *Event, newest int) {
	p.data = e.Payload
	if e.Schema > newest {
		p.err = fmt.Errorf("schema %d is newer than this program knows (%d): use a newer gakushoku", e.Schema, newest)
		return
	}
	s := newScanner(e.Payload)
	if s.open('{', "'{', the beginning of the payload") {
		p.members(&s)
	}
	s.end()
	p.err = s.err
}

// members notes the values of a payload's object.
func (p *payload) members(s *scanner) {
	next := 0
	others := s.newNames(payloadKeys[:])
	for first := true; s.more(first, '}'); first = false {
		field, ok := s.oneOf(payloadKeys[:], next, &others)
		switch {
		case !ok:
			return
		case field == payloadLines && p.wantLines:
			p.readLines(s)
		case field == fieldUnknown:
			s.value(1)
		default:
			p.fields[field] = s.value(1)
		}
		next = field + 1
	}
	others.end(s)
}

// orderID is required in every payload.
func (p *payload) orderID() string {
	id := p.text("orderId", p.fields[payloadOrderID])
	if id == "" {
		p.fail(errors.New("orderId is missing"))
	}
	return id
}

// method reads the payment method, "" when there is none.
func (p *payload) method() PaymentMethod {
	switch text := p.text("paymentMethod", p.fields[payloadMethod]); PaymentMethod(text) {
	case "":
		return ""
	case MethodCard:
		return MethodCard
	case MethodCash:
		return MethodCash
	case MethodUnknown:
		return MethodUnknown
	default:
		p.fail(fmt.Errorf("paymentMethod is %.40q, not %s, %s or %s", text, MethodCard, MethodCash, MethodUnknown))
		return ""
	}
}

// readLines reads the lines of an order. What is wrong with their fields counts only when they
// turn out to be the last of repeated lines; what is wrong with the JSON stops the scanner.
func (p *payload) readLines(s *scanner) {
	p.lines, p.linesErr = nil, nil
	if s.peek() != '[' {
		if v := s.value(1); !v.absent() {
			p.linesErr = wrongKind("lines", v, "an array")
		}
		return
	}
	s.at++
	// Every line has a brace, and usually the rest of the payload has no others: most often
	// this allocates once and just enough. The bound is for payloads that play tricks.
	lines := make([]Line, 0, min(bytes.Count(s.data[s.at:], []byte("{")), 64))
	for first := true; s.more(first, ']'); first = false {
		line, err := s.line()
		if err != nil && p.linesErr == nil {
			p.linesErr = fmt.Errorf("line %d: %w", len(lines)+1, err)
		}
		lines = append(lines, line)
	}
	p.lines = lines
}

// lineKeys is how the keys of a line are usually written, and in which order.
var lineKeys = [...]string{`"product":`, `"quantity":`, `"unitPrice":`}

// line reads one element of lines.
func (s *scanner) line() (l Line, err error) {
	if s.peek() != '{' {
		if v := s.value(2); s.err == nil {
			err = wrongKind("a line", v, "an object")
		}
		return l, err
	}
	s.at++
	var fields [len(lineKeys)]span
	others := s.newNames(lineKeys[:])
	next := 0
	for first := true; s.more(first, '}'); first = false {
		field, ok := s.oneOf(lineKeys[:], next, &others)
		if !ok {
			return l, nil
		}
		v := s.value(3)
		if field != fieldUnknown {
			fields[field] = v
		}
		next = field + 1
	}
	others.end(s)
	if s.err != nil {
		return l, nil
	}
	r := reader{data: s.data}
	if l.Product = r.text("product", fields[0]); l.Product == "" {
		r.fail(errors.New("product is missing"))
	}
	l.Quantity = r.amount("quantity", fields[1])
	l.UnitPrice = r.amount("unitPrice", fields[2])
	return l, r.err
}

// takeLines is the lines, nil when there are none.
func (p *payload) takeLines() []Line {
	if p.linesErr != nil {
		p.fail(p.linesErr)
	}
	if p.err != nil || len(p.lines) == 0 {
		return nil
	}
	return p.lines
}
