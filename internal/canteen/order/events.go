package order

import (
	"errors"
	"fmt"

	"gakushoku/internal/event"
)

// The names of the event types are stored: never change one, only add new ones.
const (
	PlacedType             = "OrderPlaced"
	PaidType               = "OrderPaid"
	PreparationStartedType = "OrderPreparationStarted"
	ReadyType              = "OrderReady"
	PickedUpType           = "OrderPickedUp"
	CancelledType          = "OrderCancelled"
	RefundedType           = "OrderRefunded"
)

// StreamPrefix is the prefix of every order's stream.
const StreamPrefix = "order-"

// Stream returns the name of an order's stream.
func Stream(orderID string) string { return kind.Stream(orderID) }

var kind = event.Kind{Prefix: StreamPrefix, Key: "orderId", Types: "Order"}

// The event types with their current schemas.
var (
	placed             = event.Define[Placed](kind, 3)
	paid               = event.Define[Paid](kind, 2)
	preparationStarted = event.Define[PreparationStarted](kind, 1)
	ready              = event.Define[Ready](kind, 1)
	pickedUp           = event.Define[PickedUp](kind, 1)
	cancelled          = event.Define[Cancelled](kind, 2)
	refunded           = event.Define[Refunded](kind, 1)
)

// Line is one product of an order.
type Line struct {
	Product   string `json:"product"`
	Quantity  int64  `json:"quantity"`
	UnitPrice int64  `json:"unitPrice"`           // yen
	ProductID string `json:"productId,omitempty"` // of the menu; "" for what is not on it
}

// PaymentMethod is the way in which an order was paid.
type PaymentMethod string

// The payment methods. Schema 1 of Paid did not record the method and is upcast to MethodUnknown.
const (
	MethodCard    PaymentMethod = "CARD"
	MethodCash    PaymentMethod = "CASH"
	MethodUnknown PaymentMethod = "UNKNOWN"
)

// Placed means that an order was placed. Schema 1 had no lines; schema 2 had no products of the menu, day or
// time to pay by.
type Placed struct {
	OrderID string        `json:"orderId"`
	Lines   []Line        `json:"lines,omitempty"`
	Total   int64         `json:"total"`         // yen
	Day     string        `json:"day,omitempty"` // the business day whose stock it takes from
	PayBy   event.Instant `json:"payBy,omitzero"`
}

// EventType implements event.Payload.
func (Placed) EventType() string { return PlacedType }

// Decode reads the payload of e. Lines may be missing, since schema 1 had none.
func (p *Placed) Decode(e *event.Event) error {
	f := placed.Fields(e)
	*p = Placed{OrderID: f.ID(), Total: f.Integer("total"), Lines: linesOf(&f), Day: f.Text("day"), PayBy: f.Instant("payBy")}
	return f.Err()
}

func linesOf(f *event.Fields) (lines []Line) {
	for f.Next("lines", "line") {
		if lines == nil {
			lines = make([]Line, 0, f.Left())
		}
		l := f.Item()
		lines = append(lines, Line{
			Product: l.Required("product"), Quantity: l.Integer("quantity"), UnitPrice: l.Integer("unitPrice"), ProductID: l.Text("productId"),
		})
	}
	return lines
}

// Paid means that an order was paid in full. Schema 1 had no method.
type Paid struct {
	OrderID string        `json:"orderId"`
	PaidAt  event.Instant `json:"paidAt,omitzero"`
	Method  PaymentMethod `json:"paymentMethod"`
	// PaymentID names the payment at the provider. Payments without a provider have none.
	PaymentID string `json:"paymentId,omitempty"`
}

// EventType implements event.Payload.
func (Paid) EventType() string { return PaidType }

// Decode reads the payload of e. Schema 1 did not record the method, so it becomes MethodUnknown, unless a
// log without schemas has a method nevertheless.
func (p *Paid) Decode(e *event.Event) error {
	f := paid.Fields(e)
	*p = Paid{OrderID: f.ID(), PaidAt: f.Instant("paidAt"), Method: methodOf(&f, e.Schema >= 2), PaymentID: f.Text("paymentId")}
	if p.Method == "" {
		p.Method = MethodUnknown
	}
	return f.Err()
}

// methodOf reads the payment method; "" if there is none.
func methodOf(f *event.Fields, required bool) PaymentMethod {
	switch text := f.Text("paymentMethod"); PaymentMethod(text) {
	case "":
		if required {
			f.Fail(errors.New("paymentMethod is missing"))
		}
		return ""
	case MethodCard:
		return MethodCard
	case MethodCash:
		return MethodCash
	case MethodUnknown:
		return MethodUnknown
	default:
		f.Fail(fmt.Errorf("paymentMethod is %.40q, not %s, %s or %s", text, MethodCard, MethodCash, MethodUnknown))
		return ""
	}
}

// PreparationStarted means that the kitchen began preparing an order.
type PreparationStarted struct {
	OrderID string `json:"orderId"`
}

// EventType implements event.Payload.
func (PreparationStarted) EventType() string { return PreparationStartedType }

// Decode reads the payload of e.
func (p *PreparationStarted) Decode(e *event.Event) error {
	f := preparationStarted.Fields(e)
	p.OrderID = f.ID()
	return f.Err()
}

// Ready means that an order is waiting at the counter.
type Ready struct {
	OrderID string `json:"orderId"`
}

// EventType implements event.Payload.
func (Ready) EventType() string { return ReadyType }

// Decode reads the payload of e.
func (p *Ready) Decode(e *event.Event) error {
	f := ready.Fields(e)
	p.OrderID = f.ID()
	return f.Err()
}

// PickedUp means that the guest has taken the order.
type PickedUp struct {
	OrderID string `json:"orderId"`
}

// EventType implements event.Payload.
func (PickedUp) EventType() string { return PickedUpType }

// Decode reads the payload of e.
func (p *PickedUp) Decode(e *event.Event) error {
	f := pickedUp.Fields(e)
	p.OrderID = f.ID()
	return f.Err()
}

// Cancelled means that an order will not be made.
type Cancelled struct {
	OrderID string `json:"orderId"`
	// Reason is ReasonExpired, or "" if a person cancelled it. Events of schema 1 have that one's words.
	Reason string `json:"reason,omitempty"`
	// Said is why a person cancelled it, in their words. They may name a person, so they are no part of the payload.
	Said string `json:"-"`
}

// Words implements model.Confiding.
func (p Cancelled) Words() string { return p.Said }

// EventType implements event.Payload.
func (Cancelled) EventType() string { return CancelledType }

// Decode reads the payload of e.
func (p *Cancelled) Decode(e *event.Event) error {
	f := cancelled.Fields(e)
	*p = Cancelled{OrderID: f.ID(), Reason: f.Text("reason")}
	if e.Schema > 1 && p.Reason != "" && p.Reason != ReasonExpired {
		f.Fail(fmt.Errorf("payload.reason must be %q or left out: what people say is not part of events", ReasonExpired))
	}
	return f.Err()
}

// Refunded means that the money for a paid, cancelled order was returned.
type Refunded struct {
	OrderID string        `json:"orderId"`
	Amount  int64         `json:"amount"` // yen
	Method  PaymentMethod `json:"paymentMethod"`
}

// EventType implements event.Payload.
func (Refunded) EventType() string { return RefundedType }

// Decode reads the payload of e.
func (p *Refunded) Decode(e *event.Event) error {
	f := refunded.Fields(e)
	*p = Refunded{OrderID: f.ID(), Amount: f.Integer("amount"), Method: methodOf(&f, true)}
	return f.Err()
}
