package event

import "math"

// MaxVersion bounds versions so that they fit every store's signed integers.
const MaxVersion = math.MaxInt64

// Line is one product of an order.
type Line struct {
	Product   string `json:"product"`
	Quantity  int64  `json:"quantity"`
	UnitPrice int64  `json:"unitPrice"` // yen
}

// PaymentMethod is how an order was paid.
type PaymentMethod string

// The payment methods. MethodUnknown is what schema 1 of OrderPaid is brought up to: it did
// not record the method.
const (
	MethodCard    PaymentMethod = "CARD"
	MethodCash    PaymentMethod = "CASH"
	MethodUnknown PaymentMethod = "UNKNOWN"
)

// OrderPlaced says that an order was taken. Schema 1 had no lines.
type OrderPlaced struct {
	OrderID string `json:"orderId"`
	Lines   []Line `json:"lines,omitempty"`
	Total   int64  `json:"total"` // yen
}

// OrderPaid says that an order was paid in full. Schema 1 had no method.
type OrderPaid struct {
	OrderID string        `json:"orderId"`
	PaidAt  Instant       `json:"paidAt,omitzero"`
	Method  PaymentMethod `json:"paymentMethod"`
}

// OrderPreparationStarted says that the kitchen began with an order.
type OrderPreparationStarted struct {
	OrderID string `json:"orderId"`
}

// OrderReady says that an order waits at the counter.
type OrderReady struct {
	OrderID string `json:"orderId"`
}

// OrderPickedUp says that the guest has taken the order.
type OrderPickedUp struct {
	OrderID string `json:"orderId"`
}

// OrderCancelled says that an order will not be made.
type OrderCancelled struct {
	OrderID string `json:"orderId"`
	Reason  string `json:"reason,omitempty"`
}

// OrderRefunded says that the money of a paid, cancelled order went back.
type OrderRefunded struct {
	OrderID string        `json:"orderId"`
	Amount  int64         `json:"amount"` // yen
	Method  PaymentMethod `json:"paymentMethod"`
}

// Payload is what a decider answers: a payload that knows the type and the schema under
// which it is stored.
type Payload interface {
	EventType() string
	EventSchema() int
}

// EventType names the stored type.
func (OrderPlaced) EventType() string { return OrderPlacedType }

// EventSchema is the schema written today.
func (OrderPlaced) EventSchema() int { return 2 }

// EventType names the stored type.
func (OrderPaid) EventType() string { return OrderPaidType }

// EventSchema is the schema written today.
func (OrderPaid) EventSchema() int { return 2 }

// EventType names the stored type.
func (OrderPreparationStarted) EventType() string { return OrderPreparationStartedType }

// EventSchema is the schema written today.
func (OrderPreparationStarted) EventSchema() int { return 1 }

// EventType names the stored type.
func (OrderReady) EventType() string { return OrderReadyType }

// EventSchema is the schema written today.
func (OrderReady) EventSchema() int { return 1 }

// EventType names the stored type.
func (OrderPickedUp) EventType() string { return OrderPickedUpType }

// EventSchema is the schema written today.
func (OrderPickedUp) EventSchema() int { return 1 }

// EventType names the stored type.
func (OrderCancelled) EventType() string { return OrderCancelledType }

// EventSchema is the schema written today.
func (OrderCancelled) EventSchema() int { return 1 }

// EventType names the stored type.
func (OrderRefunded) EventType() string { return OrderRefundedType }

// EventSchema is the schema written today.
func (OrderRefunded) EventSchema() int { return 1 }
