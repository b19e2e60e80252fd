// Package value bounds the values that the canteen's events hold, for commands and imports alike. The canteen
// sells meals: larger numbers are typing errors or worse. Sums of values within the bounds stay far below 64
// bits.
package value

import (
	"errors"
	"fmt"

	"gakushoku/internal/event"
)

// The bounds.
const (
	MaxYen       = 1_000_000
	MaxQuantity  = 1_000
	MaxTextBytes = 200
)

// CheckYen refuses an amount of money that is out of bounds.
func CheckYen(yen int64) error {
	if yen < 1 || yen > MaxYen {
		return fmt.Errorf("must be 1 to %d yen, not %d", MaxYen, yen)
	}
	return nil
}

// CheckQuantity refuses a number of portions that is out of bounds.
func CheckQuantity(n int64) error {
	if n < 1 || n > MaxQuantity {
		return fmt.Errorf("must be 1 to %d, not %d", MaxQuantity, n)
	}
	return nil
}

// CheckText refuses a name or a reason unless it has 1 to MaxTextBytes bytes and no control characters.
func CheckText(s string) error {
	if s == "" {
		return errors.New("must not be empty")
	}
	return event.CheckText(s, MaxTextBytes)
}

// Named prefixes an error with what it is about; nil stays nil.
func Named(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %w", name, err)
}
