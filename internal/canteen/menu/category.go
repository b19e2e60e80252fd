package menu

import (
	"fmt"
	"strings"

	"gakushoku/internal/canteen/refusal"
	"gakushoku/internal/canteen/value"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// Category is what the rules know about one category. The zero Category was never on the menu.
type Category struct {
	CategoryID string `json:"categoryId"`
	NameJa     string `json:"nameJa"`
	NameEn     string `json:"nameEn,omitempty"`
	Position   int64  `json:"position"`
	Removed    bool   `json:"removed,omitempty"`
}

// Exists reports whether the category is on the menu.
func (c Category) Exists() bool { return c.CategoryID != "" && !c.Removed }

// CategoryCommand is implemented by the commands for one category.
type CategoryCommand interface {
	model.Command
	decide(Category) ([]event.Payload, error)
}

// CategoryRules are the rules of one category.
var CategoryRules = model.Decider[Category, CategoryCommand]{
	Kind:   categoryKind,
	Decide: func(s Category, c CategoryCommand) ([]event.Payload, error) { return c.decide(s) },
	Evolve: EvolveCategory,
}

// SetCategory adds a category to the menu, or renames or moves it.
type SetCategory struct {
	CategoryID string `json:"categoryId"`
	NameJa     string `json:"nameJa"`
	NameEn     string `json:"nameEn,omitempty"`
	Position   int64  `json:"position"`
}

// CommandName returns the name in log lines.
func (SetCategory) CommandName() string { return "SetCategory" }

// check refuses names and positions that are out of bounds.
func (c SetCategory) check() error {
	if c.Position < 0 || c.Position > MaxPosition {
		return fmt.Errorf("position must be 0 to %d, not %d", MaxPosition, c.Position)
	}
	return checkNames(c.NameJa, c.NameEn)
}

func (c SetCategory) decide(s Category) ([]event.Payload, error) {
	if err := refused(CodeInvalidCategory, value.Named("categoryId", CheckID(c.CategoryID))); err != nil {
		return nil, err
	}
	if err := refused(CodeInvalidCategory, c.check()); err != nil {
		return nil, err
	}
	if s == (Category{CategoryID: c.CategoryID, NameJa: c.NameJa, NameEn: c.NameEn, Position: c.Position}) {
		return nil, nil
	}
	return []event.Payload{CategorySet(c)}, nil
}

// RemoveCategory takes a category off the menu. Its products stay, without a category.
type RemoveCategory struct{}

// CommandName returns the name in log lines.
func (RemoveCategory) CommandName() string { return "RemoveCategory" }

func (RemoveCategory) decide(s Category) ([]event.Payload, error) {
	switch {
	case s.CategoryID == "":
		return nil, refusal.New(CodeCategoryNotFound, "there is no such category")
	case s.Removed:
		return nil, nil
	}
	return []event.Payload{CategoryRemoved{CategoryID: s.CategoryID}}, nil
}

// EvolveCategory applies one event to a category.
func EvolveCategory(s Category, e *event.Event) (Category, error) {
	switch e.Type {
	case CategorySetType:
		var set CategorySet
		if err := set.Decode(e); err != nil {
			return s, err
		}
		return Category{
			CategoryID: strings.Clone(set.CategoryID), NameJa: strings.Clone(set.NameJa), NameEn: strings.Clone(set.NameEn), Position: set.Position,
		}, nil
	case CategoryRemovedType:
		if !s.Exists() {
			return s, fmt.Errorf("category %s is not on the menu and cannot be removed", s.CategoryID)
		}
		s.Removed = true
		return s, nil
	}
	return s, fmt.Errorf("%w %q", event.ErrUnknownType, e.Type)
}
