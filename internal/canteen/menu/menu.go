// Package menu holds the rules of what the canteen sells: products and the categories that list them. An
// order takes its names and prices from here. Each of the two is an aggregate of its own, so that changing one
// product never waits for another.
package menu

import (
	"fmt"

	"gakushoku/internal/canteen/refusal"
	"gakushoku/internal/canteen/value"
	"gakushoku/internal/event"
)

// The bounds of the menu's values.
const (
	MaxIDBytes     = 64 // of a product or a category: both are part of longer names
	MaxAllergens   = 30
	MaxAllergenLen = 40
	MaxPosition    = 10_000
)

// CheckID refuses an id of a product or a category unless it can be part of a stream's name, and people can
// tell it from every other id.
func CheckID(id string) error {
	if len(id) > MaxIDBytes {
		return fmt.Errorf("has %d bytes, at most %d are allowed", len(id), MaxIDBytes)
	}
	return event.CheckStreamID(id)
}

// checkNames refuses a Japanese name that is missing, or one that is too long. The English one is optional.
func checkNames(ja, en string) error {
	if err := value.CheckText(ja); err != nil {
		return fmt.Errorf("nameJa %w", err)
	}
	if en == "" {
		return nil
	}
	return value.Named("nameEn", value.CheckText(en))
}

// Next is the state machine of products and categories for imports: it returns the status after an event of a
// type.
func Next(status, eventType string) (string, error) {
	const onMenu, off = "ON", "OFF"
	switch eventType {
	case ProductSetType, CategorySetType:
		return onMenu, nil
	case ProductRemovedType, CategoryRemovedType:
		if status != onMenu {
			return status, fmt.Errorf("%s cannot follow status %q", eventType, status)
		}
		return off, nil
	}
	return status, fmt.Errorf("%w %q", event.ErrUnknownType, eventType)
}

// refused turns an error of a check into a refusal.
func refused(code string, err error) error {
	if err == nil {
		return nil
	}
	return refusal.New(code, "%s", err)
}
