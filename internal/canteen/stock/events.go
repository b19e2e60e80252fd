package stock

import (
	"fmt"

	"gakushoku/internal/canteen/value"
	"gakushoku/internal/event"
)

// The names of the event types are stored: never change one, only add new ones.
const (
	SetType      = "StockSet"
	ReservedType = "StockReserved"
	SoldType     = "StockSold"
	ReleasedType = "StockReleased"
)

// StreamPrefix is the prefix of every stream of stock.
const StreamPrefix = "stock-"

var (
	kind = event.Kind{Prefix: StreamPrefix, Key: "stockId", Types: "Stock"}

	set      = event.Define[Set](kind, 1)
	reserved = event.Define[Reserved](kind, 1)
	sold     = event.Define[Sold](kind, 1)
	released = event.Define[Released](kind, 1)
)

// Set means that there are so many portions for the day.
type Set struct {
	StockID  string `json:"stockId"`
	Portions int64  `json:"portions"`
}

// EventType implements event.Payload.
func (Set) EventType() string { return SetType }

// Decode reads the payload of e.
func (p *Set) Decode(e *event.Event) error {
	f := set.Fields(e)
	*p = Set{StockID: f.ID(), Portions: f.Integer("portions")}
	return f.Err()
}

// Check implements event.Checker.
func (p Set) Check() error {
	if p.Portions < 0 || p.Portions > MaxPortions {
		return fmt.Errorf("portions must be 0 to %d, not %d", MaxPortions, p.Portions)
	}
	_, _, err := Split(p.StockID)
	return err
}

// Reserved means that portions are set aside for an order.
type Reserved struct {
	StockID  string `json:"stockId"`
	OrderID  string `json:"orderId"`
	Quantity int64  `json:"quantity"`
}

// EventType implements event.Payload.
func (Reserved) EventType() string { return ReservedType }

// Decode reads the payload of e.
func (p *Reserved) Decode(e *event.Event) error {
	f := reserved.Fields(e)
	*p = Reserved{StockID: f.ID(), OrderID: f.Required("orderId"), Quantity: f.Integer("quantity")}
	return f.Err()
}

// Check implements event.Checker.
func (p Reserved) Check() error {
	if err := quantity(p.Quantity, 1); err != nil {
		return err
	}
	return checkIDs(p.StockID, p.OrderID)
}

// Sold means that the portions of an order are sold.
type Sold struct {
	StockID  string `json:"stockId"`
	OrderID  string `json:"orderId"`
	Quantity int64  `json:"quantity"`
}

// EventType implements event.Payload.
func (Sold) EventType() string { return SoldType }

// Decode reads the payload of e.
func (p *Sold) Decode(e *event.Event) error {
	f := sold.Fields(e)
	*p = Sold{StockID: f.ID(), OrderID: f.Required("orderId"), Quantity: f.Integer("quantity")}
	return f.Err()
}

// Check implements event.Checker.
func (p Sold) Check() error { return Reserved(p).Check() }

// Released means that an order holds no portions any more. If it held none before, this is a mark.
type Released struct {
	StockID  string `json:"stockId"`
	OrderID  string `json:"orderId"`
	Reserved int64  `json:"reserved"` // portions given back that were reserved
	Sold     int64  `json:"sold"`     // portions given back that were sold
}

// EventType implements event.Payload.
func (Released) EventType() string { return ReleasedType }

// Decode reads the payload of e.
func (p *Released) Decode(e *event.Event) error {
	f := released.Fields(e)
	*p = Released{StockID: f.ID(), OrderID: f.Required("orderId"), Reserved: f.Integer("reserved"), Sold: f.Integer("sold")}
	return f.Err()
}

// Check implements event.Checker.
func (p Released) Check() error {
	for _, n := range []int64{p.Reserved, p.Sold} {
		if err := quantity(n, 0); err != nil {
			return err
		}
	}
	return checkIDs(p.StockID, p.OrderID)
}

func quantity(n, least int64) error {
	if n < least || n > MaxQuantity {
		return fmt.Errorf("quantity must be %d to %d, not %d", least, MaxQuantity, n)
	}
	return nil
}

func checkIDs(stockID, orderID string) error {
	if _, _, err := Split(stockID); err != nil {
		return err
	}
	return value.Named("orderId", event.CheckStreamID(orderID))
}
