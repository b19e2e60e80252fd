package order

import (
	"fmt"

	"gakushoku/internal/event"
)

// PlaceOrder places an order with lines of products, or with only a total.
type PlaceOrder struct {
	OrderID string `json:"orderId"`
	Lines   []Line `json:"lines,omitempty"`
	Total   *int64 `json:"total,omitempty"` // yen; optional if there are lines
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

func (c PlaceOrder) decide(s State) ([]event.Payload, error) {
	if err := checkID(c.OrderID); err != nil {
		return nil, err
	}
	if s.Exists() {
		return nil, &Error{CodeAlreadyExists, fmt.Sprintf("order %s was placed before: choose another orderId, or leave it out", c.OrderID)}
	}
	total, err := c.total()
	if err != nil {
		return nil, err
	}
	return []event.Payload{Placed{OrderID: c.OrderID, Lines: c.Lines, Total: total}}, nil
}

// total returns the order's total, checked against its lines.
func (c PlaceOrder) total() (int64, error) {
	if len(c.Lines) == 0 {
		if c.Total == nil {
			return 0, &Error{CodeInvalidLines, "an order needs lines or a total"}
		}
		return *c.Total, checkAmount("total", *c.Total)
	}
	sum, err := sumLines(c.Lines)
	if err != nil {
		return 0, err
	}
	if c.Total != nil && *c.Total != sum {
		return 0, &Error{CodeTotalMismatch, fmt.Sprintf("total is %d yen but the lines add up to %d", *c.Total, sum)}
	}
	return sum, nil
}

func sumLines(lines []Line) (int64, error) {
	if len(lines) > MaxLines {
		return 0, &Error{CodeInvalidLines, fmt.Sprintf("an order has at most %d lines, this one has %d", MaxLines, len(lines))}
	}
	for i, l := range lines {
		if err := l.check(); err != nil {
			return 0, &Error{CodeInvalidLines, fmt.Sprintf("line %d: %s", i+1, err)}
		}
		if err := checkAmount(fmt.Sprintf("line %d: unitPrice", i+1), l.UnitPrice); err != nil {
			return 0, err
		}
	}
	sum := sumOf(lines)
	return sum, checkAmount("the sum of the lines", sum)
}

func checkAmount(what string, yen int64) error {
	if err := amount(yen); err != nil {
		return &Error{CodeInvalidAmount, what + " " + err.Error()}
	}
	return nil
}

// checkID refuses ids unless stores have room for them, URLs can contain them and people can tell them
// apart. Clients of the canteen may use any script.
func checkID(id string) error {
	if err := event.CheckStreamID(id); err != nil {
		return &Error{CodeInvalidID, "orderId " + err.Error()}
	}
	return nil
}
