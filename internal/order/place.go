package order

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"gakushoku/internal/event"
)

// The bounds of an order. The canteen sells meals: larger numbers are typing errors or worse.
const (
	MaxTotal     = 1_000_000 // yen
	MaxLines     = 50
	MaxQuantity  = 1_000
	MaxIDBytes   = 128
	MaxTextBytes = 200
)

// PlaceOrder takes an order: lines of products, or just a total.
type PlaceOrder struct {
	OrderID string       `json:"orderId"`
	Lines   []event.Line `json:"lines,omitempty"`
	Total   *int64       `json:"total,omitempty"` // yen; may be left out when there are lines
}

// CommandName is the name in logs.
func (PlaceOrder) CommandName() string { return "PlaceOrder" }

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
	return []event.Payload{event.OrderPlaced{OrderID: c.OrderID, Lines: c.Lines, Total: total}}, nil
}

// total is the order's total, checked against its lines.
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

func sumLines(lines []event.Line) (int64, error) {
	if len(lines) > MaxLines {
		return 0, &Error{CodeInvalidLines, fmt.Sprintf("an order has at most %d lines, this one has %d", MaxLines, len(lines))}
	}
	var sum int64
	for i, l := range lines {
		if err := checkText(l.Product); err != nil {
			return 0, &Error{CodeInvalidLines, fmt.Sprintf("line %d: product %s", i+1, err)}
		}
		if l.Quantity < 1 || l.Quantity > MaxQuantity {
			return 0, &Error{CodeInvalidLines, fmt.Sprintf("line %d: quantity must be 1 to %d", i+1, MaxQuantity)}
		}
		if err := checkAmount(fmt.Sprintf("line %d: unitPrice", i+1), l.UnitPrice); err != nil {
			return 0, err
		}
		// Both factors are bounded, so neither the product nor the sum can overflow.
		sum += l.Quantity * l.UnitPrice
	}
	return sum, checkAmount("the sum of the lines", sum)
}

func checkAmount(what string, yen int64) error {
	if yen < 1 || yen > MaxTotal {
		return &Error{CodeInvalidAmount, fmt.Sprintf("%s must be 1 to %d yen, not %d", what, MaxTotal, yen)}
	}
	return nil
}

// checkID keeps ids printable and short enough for every store's keys; the canteen's
// clients may use any script.
func checkID(id string) error {
	if id == "" || len(id) > MaxIDBytes || !printable(id) {
		return &Error{CodeInvalidID, fmt.Sprintf("orderId must be 1 to %d bytes of printable UTF-8 without spaces or slashes", MaxIDBytes)}
	}
	return nil
}

func printable(id string) bool {
	if !utf8.ValidString(id) {
		return false
	}
	for _, r := range id {
		if r == '/' || unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

func checkText(s string) error {
	switch {
	case s == "":
		return errors.New("must not be empty")
	case len(s) > MaxTextBytes:
		return fmt.Errorf("must be at most %d bytes", MaxTextBytes)
	case !utf8.ValidString(s):
		return errors.New("must be UTF-8")
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return errors.New("must not contain control characters")
		}
	}
	return nil
}
