package event

import (
	"errors"
	"fmt"
)

// The bounds of what an order holds, for commands and imports alike. The canteen sells meals:
// larger numbers are typing errors or worse. Sums of what is within them stay far below 64 bits.
const (
	MaxTotal     = 1_000_000 // yen
	MaxLines     = 50
	MaxQuantity  = 1_000
	MaxTextBytes = 200
)

// maxInstant is the last instant that may be imported: no zone is more than 14 hours ahead of UTC, so
// that its day has four digits everywhere.
const maxInstant = epoch + lastFast - 14*3_600_000

// CheckAmount refuses an amount of money that no order has.
func CheckAmount(yen int64) error {
	if yen < 1 || yen > MaxTotal {
		return fmt.Errorf("must be 1 to %d yen, not %d", MaxTotal, yen)
	}
	return nil
}

// CheckText refuses a product's name or a reason that is not 1 to MaxTextBytes bytes without
// control characters.
func CheckText(text string) error {
	if text == "" {
		return errors.New("must not be empty")
	}
	return checkText(text, MaxTextBytes)
}

// Check refuses a line that no order has, but for its price.
func (l Line) Check() error {
	if err := CheckText(l.Product); err != nil {
		return fmt.Errorf("product %w", err)
	}
	if l.Quantity < 1 || l.Quantity > MaxQuantity {
		return fmt.Errorf("quantity must be 1 to %d, not %d", MaxQuantity, l.Quantity)
	}
	return nil
}

// checkInstant refuses an instant whose day cannot be written in every time zone.
func checkInstant(name string, at Instant) error {
	if at > maxInstant {
		return fmt.Errorf("%s %s is after %s", name, at, maxInstant)
	}
	return nil
}

// checkValues refuses what read models have no room for.
func checkValues(e *Event, payload Payload) error {
	if err := checkInstant("occurredAt", e.OccurredAt); err != nil {
		return err
	}
	switch p := payload.(type) {
	case OrderPlaced:
		return p.check()
	case OrderPaid:
		return checkInstant("payload.paidAt", p.PaidAt)
	case OrderCancelled:
		return checkReason(p.Reason)
	case OrderRefunded:
		return inPayload("amount", CheckAmount(p.Amount))
	}
	return nil
}

func (p OrderPlaced) check() error {
	if len(p.Lines) > MaxLines {
		return fmt.Errorf("payload.lines are %d, at most %d are allowed", len(p.Lines), MaxLines)
	}
	for i, l := range p.Lines {
		if err := l.Check(); err != nil {
			return fmt.Errorf("payload.lines: line %d: %w", i+1, err)
		}
		if err := CheckAmount(l.UnitPrice); err != nil {
			return fmt.Errorf("payload.lines: line %d: unitPrice %w", i+1, err)
		}
	}
	if err := CheckAmount(p.Total); err != nil {
		return inPayload("total", err)
	}
	return p.checkSum()
}

// checkSum refuses a total that is not the sum of the lines, when there are lines. They are bounded,
// so the sum cannot overflow.
func (p OrderPlaced) checkSum() error {
	var sum int64
	for _, l := range p.Lines {
		sum += l.Quantity * l.UnitPrice
	}
	if len(p.Lines) > 0 && sum != p.Total {
		return fmt.Errorf("payload.total is %d yen but the lines add up to %d", p.Total, sum)
	}
	return nil
}

func checkReason(reason string) error {
	if reason == "" {
		return nil
	}
	return inPayload("reason", CheckText(reason))
}

// inPayload puts the field's name before what is wrong with it.
func inPayload(field string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("payload.%s %w", field, err)
}
