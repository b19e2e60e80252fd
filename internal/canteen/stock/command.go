package stock

import (
	"gakushoku/internal/canteen/refusal"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// Command is implemented by the commands of this package. Those for an order do nothing when they come again.
type Command interface {
	model.Command
	decide(State) ([]event.Payload, error)
}

// Rules are the rules of the stock of one product on one day.
var Rules = model.Decider[State, Command]{Kind: kind, Decide: Decide, Evolve: Evolve, Snapshots: &Snapshots}

// Decide returns the events that a command leads to, none if all is done already, or a refusal.
func Decide(s State, c Command) ([]event.Payload, error) { return c.decide(s) }

// SetPortions sets how many portions of a product there are on a day, those that are sold already included.
type SetPortions struct {
	StockID  string `json:"stockId"`
	Portions int64  `json:"portions"`
}

// CommandName returns the name in log lines.
func (SetPortions) CommandName() string { return "SetPortions" }

func (c SetPortions) decide(s State) ([]event.Payload, error) {
	p := Set(c)
	if err := p.Check(); err != nil {
		return nil, refusal.New(CodeInvalid, "%s", err)
	}
	taken := s.Reserved + s.Sold
	switch {
	case c.Portions < taken:
		return nil, refusal.New(CodeTaken, "%d portions are reserved and %d sold: set at least %d", s.Reserved, s.Sold, taken)
	case s.Limited && s.Portions == c.Portions:
		return nil, nil
	}
	return []event.Payload{p}, nil
}

// Reserve sets portions aside for an order.
type Reserve struct {
	StockID  string `json:"stockId"`
	OrderID  string `json:"orderId"`
	Quantity int64  `json:"quantity"`
}

// CommandName returns the name in log lines.
func (Reserve) CommandName() string { return "ReservePortions" }

func (c Reserve) decide(s State) ([]event.Payload, error) {
	p := Reserved(c)
	if err := p.Check(); err != nil {
		return nil, refusal.New(CodeInvalid, "%s", err)
	}
	switch was := s.Orders.Of(c.OrderID); {
	case was.Phase == PhaseReleased:
		return nil, refusal.New(CodeReleased, "order %s was called off before", c.OrderID)
	case was.Phase != "":
		return nil, nil
	case s.Limited && s.Free() < c.Quantity:
		return nil, refusal.New(CodeSoldOut, "only %d portions are left, not %d", s.Free(), c.Quantity)
	}
	return []event.Payload{p}, nil
}

// Sell turns the portions that an order has reserved into sold ones.
type Sell struct {
	StockID string `json:"stockId"`
	OrderID string `json:"orderId"`
}

// CommandName returns the name in log lines.
func (Sell) CommandName() string { return "SellPortions" }

func (c Sell) decide(s State) ([]event.Payload, error) {
	switch was := s.Orders.Of(c.OrderID); was.Phase {
	case PhaseSold:
		return nil, nil
	case PhaseReserved:
		return []event.Payload{Sold{StockID: s.StockID, OrderID: c.OrderID, Quantity: was.Quantity}}, nil
	}
	return nil, refusal.New(CodeNotReserved, "order %s has no portions reserved", c.OrderID)
}

// Release gives back what an order holds, reserved or sold. It leaves a mark even if the order holds nothing:
// a reservation that comes later is refused.
type Release struct {
	StockID string `json:"stockId"`
	OrderID string `json:"orderId"`
}

// CommandName returns the name in log lines.
func (Release) CommandName() string { return "ReleasePortions" }

func (c Release) decide(s State) ([]event.Payload, error) {
	p := Released{StockID: c.StockID, OrderID: c.OrderID}
	if err := p.Check(); err != nil {
		return nil, refusal.New(CodeInvalid, "%s", err)
	}
	switch was := s.Orders.Of(c.OrderID); was.Phase {
	case PhaseReleased:
		return nil, nil
	case PhaseReserved:
		p.Reserved = was.Quantity
	case PhaseSold:
		p.Sold = was.Quantity
	}
	return []event.Payload{p}, nil
}
