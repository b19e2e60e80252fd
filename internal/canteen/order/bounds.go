package order

import (
	"errors"
	"fmt"

	"gakushoku/internal/event"
)

// The bounds of an order's values, for commands and imports alike. The canteen sells meals: larger numbers
// are typing errors or worse. Sums of values within the bounds stay far below 64 bits.
const (
	MaxTotal     = 1_000_000 // yen
	MaxLines     = 50
	MaxQuantity  = 1_000
	MaxTextBytes = 200
	MaxIDBytes   = event.MaxStreamIDBytes
)

// Check implements event.Checker.
func (p Placed) Check() error {
	if len(p.Lines) > MaxLines {
		return fmt.Errorf("payload.lines are %d, at most %d are allowed", len(p.Lines), MaxLines)
	}
	for i, l := range p.Lines {
		if err := l.check(); err != nil {
			return fmt.Errorf("payload.lines: line %d: %w", i+1, err)
		}
		if err := amount(l.UnitPrice); err != nil {
			return fmt.Errorf("payload.lines: line %d: unitPrice %w", i+1, err)
		}
	}
	if err := amount(p.Total); err != nil {
		return inPayload("total", err)
	}
	return p.checkSum()
}

// checkSum refuses a total that is not the sum of the lines, if there are lines.
func (p Placed) checkSum() error {
	if sum := sumOf(p.Lines); len(p.Lines) > 0 && sum != p.Total {
		return fmt.Errorf("payload.total is %d yen but the lines add up to %d", p.Total, sum)
	}
	return nil
}

// sumOf returns what lines add up to in yen. Lines that were checked are bounded, so neither a product nor
// the sum can overflow.
func sumOf(lines []Line) (sum int64) {
	for _, l := range lines {
		sum += l.Quantity * l.UnitPrice
	}
	return sum
}

// Check implements event.Checker.
func (p Paid) Check() error { return event.CheckInstant("payload.paidAt", p.PaidAt) }

// Check implements event.Checker.
func (p Cancelled) Check() error {
	if p.Reason == "" {
		return nil
	}
	return inPayload("reason", text(p.Reason))
}

// Check implements event.Checker.
func (p Refunded) Check() error { return inPayload("amount", amount(p.Amount)) }

// check refuses a line with an invalid product name, quantity or price.
func (l Line) check() error {
	if err := text(l.Product); err != nil {
		return fmt.Errorf("product %w", err)
	}
	if l.Quantity < 1 || l.Quantity > MaxQuantity {
		return fmt.Errorf("quantity must be 1 to %d, not %d", MaxQuantity, l.Quantity)
	}
	return nil
}

// amount refuses an amount of money that is out of bounds.
func amount(yen int64) error {
	if yen < 1 || yen > MaxTotal {
		return fmt.Errorf("must be 1 to %d yen, not %d", MaxTotal, yen)
	}
	return nil
}

// text refuses a product's name or a reason unless it has 1 to MaxTextBytes bytes and no control
// characters.
func text(s string) error {
	if s == "" {
		return errors.New("must not be empty")
	}
	return event.CheckText(s, MaxTextBytes)
}

// inPayload prefixes an error with the field's name.
func inPayload(field string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("payload.%s %w", field, err)
}
