package event

import (
	"errors"
	"fmt"
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
// is not its order's, ids that stores or URLs cannot take, and what read models have no room for.
func Check(e *Event) error {
	payload, err := DecodePayload(e)
	if err != nil {
		return err
	}
	if e.ID == "" {
		return errors.New("eventId is missing")
	}
	orderID := orderIDOf(payload)
	if err := CheckOrderID(orderID); err != nil {
		return fmt.Errorf("payload.orderId %.60q %w", orderID, err)
	}
	if e.Stream != OrderStream(orderID) {
		return fmt.Errorf("stream is %q but payload.orderId belongs to %q", e.Stream, OrderStream(orderID))
	}
	if e.Version > MaxVersion {
		return fmt.Errorf("version %d is above %d", e.Version, uint64(MaxVersion))
	}
	if err := checkEnvelope(e); err != nil {
		return err
	}
	return checkValues(e, payload)
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
