package event

import (
	"errors"
	"fmt"
)

// done is the outcome of reading a payload, with the type in front of what is wrong.
func (r *payload) done(e *Event) error {
	if r.err == nil {
		return nil
	}
	return fmt.Errorf("payload of %s: %w", e.Type, r.err)
}

// Decode reads the payload of e. Schema 1 had no lines, so they may be missing.
func (p *OrderPlaced) Decode(e *Event) error {
	r := payload{wantLines: true}
	r.find(e, p.EventSchema())
	*p = OrderPlaced{OrderID: r.orderID(), Total: r.amount("total", r.fields[payloadTotal]), Lines: r.takeLines()}
	return r.done(e)
}

// Decode reads the payload of e. Schema 1 did not record the method: it becomes
// MethodUnknown, unless a log that names no schema has one all the same.
func (p *OrderPaid) Decode(e *Event) error {
	var r payload
	r.find(e, p.EventSchema())
	*p = OrderPaid{OrderID: r.orderID(), PaidAt: r.instant("paidAt", r.fields[payloadPaidAt]), Method: r.method()}
	if p.Method == "" {
		if e.Schema >= 2 {
			r.fail(errMethodMissing)
		}
		p.Method = MethodUnknown
	}
	return r.done(e)
}

var errMethodMissing = errors.New("paymentMethod is missing")

// Decode reads the payload of e.
func (p *OrderPreparationStarted) Decode(e *Event) error {
	var r payload
	r.find(e, p.EventSchema())
	p.OrderID = r.orderID()
	return r.done(e)
}

// Decode reads the payload of e.
func (p *OrderReady) Decode(e *Event) error {
	var r payload
	r.find(e, p.EventSchema())
	p.OrderID = r.orderID()
	return r.done(e)
}

// Decode reads the payload of e.
func (p *OrderPickedUp) Decode(e *Event) error {
	var r payload
	r.find(e, p.EventSchema())
	p.OrderID = r.orderID()
	return r.done(e)
}

// Decode reads the payload of e.
func (p *OrderCancelled) Decode(e *Event) error {
	var r payload
	r.find(e, p.EventSchema())
	*p = OrderCancelled{OrderID: r.orderID(), Reason: r.text("reason", r.fields[payloadReason])}
	return r.done(e)
}

// Decode reads the payload of e.
func (p *OrderRefunded) Decode(e *Event) error {
	var r payload
	r.find(e, p.EventSchema())
	*p = OrderRefunded{OrderID: r.orderID(), Amount: r.amount("amount", r.fields[payloadAmount]), Method: r.method()}
	if p.Method == "" {
		r.fail(errMethodMissing)
	}
	return r.done(e)
}
