package event

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// The bounds of ids, in bytes: every store has room for them in its keys.
const (
	MaxOrderIDBytes = 128
	MaxEventIDBytes = 128
	MaxStreamBytes  = 256
	MaxFieldBytes   = 256 // of every other string in the envelope
)

// Check refuses an event that must not be imported, though it decodes: a type this version
// does not know (ErrUnknownType), a payload that its type cannot be made of, a stream that
// is not its order's, ids that stores or URLs cannot take.
func Check(e *Event) error {
	payload, err := DecodePayload(e)
	if err != nil {
		return err
	}
	if err := checkLine("eventId", e.ID, MaxEventIDBytes); err != nil {
		return err
	}
	if e.ID == "" {
		return errors.New("eventId is missing")
	}
	orderID := orderIDOf(payload)
	if err := checkLine("payload.orderId", orderID, MaxOrderIDBytes); err != nil {
		return err
	}
	if err := checkPrintable(orderID); err != nil {
		return fmt.Errorf("payload.orderId %q %w", orderID, err)
	}
	if err := checkLine("stream", e.Stream, MaxStreamBytes); err != nil {
		return err
	}
	if e.Stream != OrderStream(orderID) {
		return fmt.Errorf("stream is %q but payload.orderId belongs to %q", e.Stream, OrderStream(orderID))
	}
	if e.Version > MaxVersion {
		return fmt.Errorf("version %d is above %d", e.Version, uint64(MaxVersion))
	}
	return checkOthers(e)
}

// checkOthers bounds the fields that are only carried along.
func checkOthers(e *Event) error {
	for _, f := range [...]struct{ name, value string }{
		{"correlationId", e.CorrelationID}, {"causationId", e.CausationID}, {"commandId", e.CommandID},
		{"commandHash", e.CommandHash}, {"actor", e.Actor}, {"traceparent", e.Traceparent},
	} {
		if err := checkLine(f.name, f.value, MaxFieldBytes); err != nil {
			return err
		}
	}
	return nil
}

// orderIDOf is the order that a payload of this package is about.
func orderIDOf(p Payload) string {
	switch p := p.(type) {
	case OrderPlaced:
		return p.OrderID
	case OrderPaid:
		return p.OrderID
	case OrderPreparationStarted:
		return p.OrderID
	case OrderReady:
		return p.OrderID
	case OrderPickedUp:
		return p.OrderID
	case OrderCancelled:
		return p.OrderID
	case OrderRefunded:
		return p.OrderID
	}
	return ""
}

// checkLine bounds a string and keeps out what would break a line of text in two.
func checkLine(name, value string, limit int) error {
	if len(value) > limit {
		return fmt.Errorf("%s has %d bytes, at most %d are allowed", name, len(value), limit)
	}
	if !utf8.ValidString(value) {
		return fmt.Errorf("%s is not valid UTF-8", name)
	}
	for _, r := range value {
		if unicode.IsControl(r) {
			return fmt.Errorf("%s %q contains the control character %q", name, value, r)
		}
	}
	return nil
}

// checkPrintable allows what can stand in the path of a URL in any script; it is what the
// rules of package order ask of an orderId too.
func checkPrintable(id string) error {
	for _, r := range id {
		if r == '/' || unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return fmt.Errorf("contains %q: only printable characters without spaces and slashes are allowed", r)
		}
	}
	return nil
}
