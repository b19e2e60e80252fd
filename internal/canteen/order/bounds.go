package order

import (
	"errors"
	"fmt"
	"strings"

	"gakushoku/internal/canteen/day"
	"gakushoku/internal/canteen/menu"
	"gakushoku/internal/canteen/value"
	"gakushoku/internal/event"
)

// The bounds of an order's values besides those of package value.
const (
	MaxTotal     = value.MaxYen
	MaxLines     = 50
	MaxQuantity  = value.MaxQuantity
	MaxTextBytes = value.MaxTextBytes
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
		if err := value.CheckYen(l.UnitPrice); err != nil {
			return fmt.Errorf("payload.lines: line %d: unitPrice %w", i+1, err)
		}
	}
	if err := value.CheckYen(p.Total); err != nil {
		return value.Named("payload.total", err)
	}
	if err := p.checkCheckout(); err != nil {
		return err
	}
	return p.checkSum()
}

// checkCheckout refuses a day without a time to pay by, or the other way round, and checks both.
func (p Placed) checkCheckout() error {
	switch {
	case (p.Day == "") != p.PayBy.IsZero():
		return errors.New("payload.day and payload.payBy come together or not at all")
	case p.Day == "":
		return nil
	}
	if err := day.Check(p.Day); err != nil {
		return fmt.Errorf("payload.day: %w", err)
	}
	return event.CheckInstant("payload.payBy", p.PayBy)
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
func (p Paid) Check() error {
	if p.PaymentID != "" {
		if err := checkCode("paymentId", p.PaymentID); err != nil {
			return err
		}
	}
	return event.CheckInstant("payload.paidAt", p.PaidAt)
}

// Check implements event.Checker.
func (p Cancelled) Check() error {
	if p.Reason == "" {
		return nil
	}
	return value.Named("payload.reason", value.CheckText(p.Reason))
}

// Check implements event.Checker.
func (p Refunded) Check() error { return value.Named("payload.amount", value.CheckYen(p.Amount)) }

// check refuses a line with an invalid product name, quantity or price.
func (l Line) check() error {
	if err := value.CheckText(l.Product); err != nil {
		return fmt.Errorf("product %w", err)
	}
	if l.ProductID != "" {
		if err := menu.CheckID(l.ProductID); err != nil {
			return fmt.Errorf("productId %w", err)
		}
	}
	return value.Named("quantity", value.CheckQuantity(l.Quantity))
}

// checkProductID refuses an id that no product of the menu can have. It accepts none at all.
func checkProductID(id string) error {
	if id == "" {
		return nil
	}
	return value.Named("payload.productId", menu.CheckID(id))
}

// checkCode refuses a code or an id of someone else's unless it is short and visible.
func checkCode(field, code string) error {
	return value.Named("payload."+field, event.CheckStreamID(strings.ReplaceAll(code, "/", "-")))
}
