package event

import (
	"errors"
	"fmt"
	"math"
	"slices"
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

// payloadReader is a payload whose fields have been found, and the first error in reading
// them. Strings share memory with the event.
type payloadReader struct {
	data   []byte
	fields payloadFields
	err    error
}

// payloadFields is where the fields of all payload types stand.
type payloadFields struct {
	orderID, total, lines, paidAt, method, reason, amount span
}

func (f *payloadFields) field(key []byte) *span {
	switch string(key) {
	case "orderId":
		return &f.orderID
	case "total":
		return &f.total
	case "lines":
		return &f.lines
	case "paidAt":
		return &f.paidAt
	case "paymentMethod":
		return &f.method
	case "reason":
		return &f.reason
	case "amount":
		return &f.amount
	}
	return nil
}

// readPayload finds the fields of e's payload; newest is the last schema that this program
// knows.
func readPayload(e *Event, newest int) (r payloadReader) {
	r.data = e.Payload
	if e.Schema > newest {
		r.err = fmt.Errorf("schema %d is newer than this program knows (%d): use a newer gakushoku", e.Schema, newest)
		return r
	}
	s := newScanner(e.Payload)
	if s.open('{', "'{', the beginning of the payload") {
		s.members(&r.fields)
	}
	if !s.end() {
		r.err = s.err
	}
	return r
}

// members reads the rest of an object that was opened, noting values.
func (s *scanner) members(f *payloadFields) {
	for first := true; s.more(first, '}'); first = false {
		key, ok := s.key()
		if !ok {
			return
		}
		v := s.value(1)
		if at := f.field(s.name(key)); at != nil {
			*at = v
		}
	}
}

// fail keeps the first error.
func (r *payloadReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *payloadReader) text(name string, v span) (s string) {
	var d Decoder
	if r.err == nil {
		r.err = d.string(r.data, name, v, &s)
	}
	return s
}

// orderID is required in every payload.
func (r *payloadReader) orderID() string {
	id := r.text("orderId", r.fields.orderID)
	if id == "" {
		r.fail(errors.New("orderId is missing"))
	}
	return id
}

// amount reads a required integer.
func (r *payloadReader) amount(name string, v span) int64 {
	if v.absent() {
		r.fail(fmt.Errorf("%s is missing", name))
		return 0
	}
	n, err := integer(r.data, name, v, math.MinInt64, math.MaxInt64)
	if err != nil {
		r.fail(err)
	}
	return n
}

// instant reads an optional time.
func (r *payloadReader) instant(name string, v span) Instant {
	text := r.text(name, v)
	if r.err != nil || v.absent() {
		return 0
	}
	i, err := ParseInstant(text)
	if err != nil {
		r.fail(fmt.Errorf("%s: %w", name, err))
	}
	return i
}

// method reads the payment method, "" when there is none.
func (r *payloadReader) method() PaymentMethod {
	switch text := r.text("paymentMethod", r.fields.method); PaymentMethod(text) {
	case "":
		return ""
	case MethodCard:
		return MethodCard
	case MethodCash:
		return MethodCash
	case MethodUnknown:
		return MethodUnknown
	default:
		r.fail(fmt.Errorf("paymentMethod is %.40q, not %s, %s or %s", text, MethodCard, MethodCash, MethodUnknown))
		return ""
	}
}

// lines reads the lines of an order, nil when there are none. The slice is the only thing
// allocated, once, at its size.
func (r *payloadReader) lines() []Line {
	v := r.fields.lines
	if r.err != nil || v.absent() {
		return nil
	}
	if v.kind != '[' {
		r.fail(wrongKind("lines", v, "an array"))
		return nil
	}
	var room [8]Line
	lines := room[:0]
	s := scanner{data: r.data[:v.end], at: v.start + 1}
	for first := true; s.more(first, ']'); first = false {
		line, err := s.line(len(lines) + 1)
		if err != nil {
			r.fail(err)
			return nil
		}
		lines = append(lines, line)
	}
	return slices.Clone(lines)
}

// line reads one element of an array that was checked before.
func (s *scanner) line(number int) (l Line, err error) {
	if s.peek() != '{' {
		return l, wrongKind(fmt.Sprintf("lines[%d]", number-1), s.value(2), "an object")
	}
	s.at++
	var product, quantity, unitPrice span
	for first := true; s.more(first, '}'); first = false {
		key, ok := s.key()
		if !ok {
			break
		}
		v := s.value(3)
		switch string(s.name(key)) {
		case "product":
			product = v
		case "quantity":
			quantity = v
		case "unitPrice":
			unitPrice = v
		}
	}
	r := payloadReader{data: s.data, err: s.err}
	l.Product = r.text("product", product)
	if l.Product == "" {
		r.fail(errors.New("product is missing"))
	}
	l.Quantity = r.amount("quantity", quantity)
	l.UnitPrice = r.amount("unitPrice", unitPrice)
	if r.err != nil {
		return l, fmt.Errorf("line %d: %w", number, r.err)
	}
	return l, nil
}
