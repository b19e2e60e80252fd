package order

import (
	"cmp"

	"gakushoku/internal/canteen/value"
	"gakushoku/internal/event"
)

// The names of the event types of checkout are stored: never change one, only add new ones.
const (
	ReservedType         = "OrderReserved"
	RejectedType         = "OrderRejected"
	PaymentRequestedType = "OrderPaymentRequested"
	PaymentDeclinedType  = "OrderPaymentDeclined"
	PaymentVoidedType    = "OrderPaymentVoided"
	ConfirmedType        = "OrderConfirmed"
	ReleasedType         = "OrderReleased"
)

var (
	reserved         = event.Define[Reserved](kind, 1)
	rejected         = event.Define[Rejected](kind, 1)
	paymentRequested = event.Define[PaymentRequested](kind, 1)
	paymentDeclined  = event.Define[PaymentDeclined](kind, 1)
	paymentVoided    = event.Define[PaymentVoided](kind, 1)
	confirmed        = event.Define[Confirmed](kind, 1)
	released         = event.Define[Released](kind, 1)
)

// Reserved means that the portions of an order are set aside for it.
type Reserved struct {
	OrderID string `json:"orderId"`
}

// EventType implements event.Payload.
func (Reserved) EventType() string { return ReservedType }

// Decode reads the payload of e.
func (p *Reserved) Decode(e *event.Event) error {
	f := reserved.Fields(e)
	p.OrderID = f.ID()
	return f.Err()
}

// Rejected means that an order is turned down, because a step of its checkout was refused for good.
type Rejected struct {
	OrderID   string `json:"orderId"`
	Code      string `json:"code"`                // of the refusal, such as stock/sold-out
	ProductID string `json:"productId,omitempty"` // the product that the refusal is about
}

// EventType implements event.Payload.
func (Rejected) EventType() string { return RejectedType }

// Decode reads the payload of e.
func (p *Rejected) Decode(e *event.Event) error {
	f := rejected.Fields(e)
	*p = Rejected{OrderID: f.ID(), Code: f.Required("code"), ProductID: f.Text("productId")}
	return f.Err()
}

// Check implements event.Checker.
func (p Rejected) Check() error {
	return cmp.Or(checkCode("code", p.Code), checkProductID(p.ProductID))
}

// PaymentRequested means that a guest pays through a provider, and the money is to be captured.
type PaymentRequested struct {
	OrderID   string        `json:"orderId"`
	PaymentID string        `json:"paymentId"` // names the payment at the provider
	Method    PaymentMethod `json:"paymentMethod"`
}

// EventType implements event.Payload.
func (PaymentRequested) EventType() string { return PaymentRequestedType }

// Decode reads the payload of e.
func (p *PaymentRequested) Decode(e *event.Event) error {
	f := paymentRequested.Fields(e)
	*p = PaymentRequested{OrderID: f.ID(), PaymentID: f.Required("paymentId"), Method: methodOf(&f, true)}
	return f.Err()
}

// Check implements event.Checker.
func (p PaymentRequested) Check() error { return checkCode("paymentId", p.PaymentID) }

// PaymentDeclined means that the provider declined a payment.
type PaymentDeclined struct {
	OrderID   string `json:"orderId"`
	PaymentID string `json:"paymentId"`
	Reason    string `json:"reason,omitempty"` // the provider's code
}

// EventType implements event.Payload.
func (PaymentDeclined) EventType() string { return PaymentDeclinedType }

// Decode reads the payload of e.
func (p *PaymentDeclined) Decode(e *event.Event) error {
	f := paymentDeclined.Fields(e)
	*p = PaymentDeclined{OrderID: f.ID(), PaymentID: f.Required("paymentId"), Reason: f.Text("reason")}
	return f.Err()
}

// Check implements event.Checker.
func (p PaymentDeclined) Check() error {
	return cmp.Or(checkCode("paymentId", p.PaymentID), value.Named("payload.reason", event.CheckText(p.Reason, MaxTextBytes)))
}

// PaymentVoided means that a payment will never be captured.
type PaymentVoided struct {
	OrderID   string `json:"orderId"`
	PaymentID string `json:"paymentId"`
}

// EventType implements event.Payload.
func (PaymentVoided) EventType() string { return PaymentVoidedType }

// Decode reads the payload of e.
func (p *PaymentVoided) Decode(e *event.Event) error {
	f := paymentVoided.Fields(e)
	*p = PaymentVoided{OrderID: f.ID(), PaymentID: f.Required("paymentId")}
	return f.Err()
}

// Check implements event.Checker.
func (p PaymentVoided) Check() error { return checkCode("paymentId", p.PaymentID) }

// Confirmed means that the portions of a paid order are sold.
type Confirmed struct {
	OrderID string `json:"orderId"`
}

// EventType implements event.Payload.
func (Confirmed) EventType() string { return ConfirmedType }

// Decode reads the payload of e.
func (p *Confirmed) Decode(e *event.Event) error {
	f := confirmed.Fields(e)
	p.OrderID = f.ID()
	return f.Err()
}

// Released means that an order that was called off holds no portions any more.
type Released struct {
	OrderID string `json:"orderId"`
}

// EventType implements event.Payload.
func (Released) EventType() string { return ReleasedType }

// Decode reads the payload of e.
func (p *Released) Decode(e *event.Event) error {
	f := released.Fields(e)
	p.OrderID = f.ID()
	return f.Err()
}
