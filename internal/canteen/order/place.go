package order

import (
	"fmt"

	"gakushoku/internal/canteen/menu"
	"gakushoku/internal/canteen/refusal"
	"gakushoku/internal/canteen/value"
	"gakushoku/internal/event"
)

// PlaceOrder places an order with lines of products, or with only a total. Lines with a ProductID take their
// name and price from the menu; a price that the client sends is only compared with it.
type PlaceOrder struct {
	OrderID string `json:"orderId"`
	Lines   []Line `json:"lines,omitempty"`
	Total   *int64 `json:"total,omitempty"` // yen; optional if there are lines

	// Menu has the products that the lines name, as they are at the moment.
	Menu map[string]menu.Product `json:"-"`
	// Day and PayBy are the business day whose stock the order takes from, and when it expires unless it is
	// paid. Only an order whose lines all name products of the menu goes through a checkout.
	Day   string        `json:"-"`
	PayBy event.Instant `json:"-"`
}

// CommandName returns the name in log lines.
func (PlaceOrder) CommandName() string { return "PlaceOrder" }

// ID implements model.Creating.
func (c PlaceOrder) ID() string { return c.OrderID }

// WithID implements model.Creating.
func (c PlaceOrder) WithID(id string) Command {
	c.OrderID = id
	return c
}

// FromMenu reports whether all lines name products of the menu.
func (c PlaceOrder) FromMenu() bool {
	for _, l := range c.Lines {
		if l.ProductID == "" {
			return false
		}
	}
	return len(c.Lines) > 0
}

func (c PlaceOrder) decide(s State) ([]event.Payload, error) {
	if err := checkID(c.OrderID); err != nil {
		return nil, err
	}
	if s.Exists() {
		return nil, refusal.New(CodeAlreadyExists, "order %s was placed before: choose another orderId, or leave it out", c.OrderID)
	}
	lines, err := c.priced()
	if err != nil {
		return nil, err
	}
	total, err := totalOf(lines, c.Total)
	if err != nil {
		return nil, err
	}
	p := Placed{OrderID: c.OrderID, Lines: lines, Total: total}
	if c.FromMenu() {
		p.Day, p.PayBy = c.Day, c.PayBy
	}
	return []event.Payload{p}, nil
}

// priced returns the lines with the menu's names and prices.
func (c PlaceOrder) priced() ([]Line, error) {
	if len(c.Lines) > MaxLines {
		return nil, refusal.New(CodeInvalidLines, "an order has at most %d lines, this one has %d", MaxLines, len(c.Lines))
	}
	if c.Menu == nil {
		return c.Lines, nil
	}
	lines := make([]Line, len(c.Lines))
	for i, l := range c.Lines {
		if l.ProductID != "" {
			priced, err := l.priced(c.Menu[l.ProductID])
			if err != nil {
				return nil, refusal.New(err.Code, "line %d: %s", i+1, err.Detail)
			}
			l = priced
		}
		lines[i] = l
	}
	return lines, nil
}

// priced returns the line with the name and the price of its product.
func (l Line) priced(p menu.Product) (Line, *Error) {
	switch {
	case !p.Exists():
		return l, refusal.New(CodeUnknownProduct, "%.64q is not on the menu: GET /menu lists the products", l.ProductID)
	case !p.Offered:
		return l, refusal.New(CodeNotOffered, "%s (%s) is not offered at the moment", l.ProductID, p.NameJa)
	case l.UnitPrice != 0 && l.UnitPrice != p.Price:
		return l, refusal.New(CodePriceChanged, "%s (%s) costs %d yen, not %d: show the guest the new price, or leave out unitPrice",
			l.ProductID, p.NameJa, p.Price, l.UnitPrice)
	}
	l.Product, l.UnitPrice = p.NameJa, p.Price
	return l, nil
}

// totalOf returns an order's total, checked against its lines.
func totalOf(lines []Line, total *int64) (int64, error) {
	if len(lines) == 0 {
		if total == nil {
			return 0, refusal.New(CodeInvalidLines, "an order needs lines or a total")
		}
		return *total, checkAmount("total", *total)
	}
	sum, err := sumLines(lines)
	if err != nil {
		return 0, err
	}
	if total != nil && *total != sum {
		return 0, refusal.New(CodeTotalMismatch, "total is %d yen but the lines add up to %d", *total, sum)
	}
	return sum, nil
}

func sumLines(lines []Line) (int64, error) {
	for i, l := range lines {
		if err := l.check(); err != nil {
			return 0, refusal.New(CodeInvalidLines, "line %d: %s", i+1, err)
		}
		if err := checkAmount(fmt.Sprintf("line %d: unitPrice", i+1), l.UnitPrice); err != nil {
			return 0, err
		}
	}
	sum := sumOf(lines)
	return sum, checkAmount("the sum of the lines", sum)
}

func checkAmount(what string, yen int64) error {
	if err := value.CheckYen(yen); err != nil {
		return refusal.New(CodeInvalidAmount, "%s %s", what, err)
	}
	return nil
}

// checkID refuses ids unless stores have room for them, URLs can contain them and people can tell them
// apart. Clients of the canteen may use any script.
func checkID(id string) error {
	if err := event.CheckStreamID(id); err != nil {
		return refusal.New(CodeInvalidID, "orderId %s", err)
	}
	return nil
}
