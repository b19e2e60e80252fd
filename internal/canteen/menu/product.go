package menu

import (
	"fmt"
	"slices"
	"strings"

	"gakushoku/internal/canteen/refusal"
	"gakushoku/internal/canteen/value"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// Details are what the menu says about a product.
type Details struct {
	NameJa     string   `json:"nameJa"`
	NameEn     string   `json:"nameEn,omitempty"`
	CategoryID string   `json:"categoryId,omitempty"`
	Price      int64    `json:"price"`               // yen
	Allergens  []string `json:"allergens,omitempty"` // such as wheat
	Offered    bool     `json:"offered"`             // whether guests can order it
}

// check refuses details that are out of bounds.
func (d Details) check() error {
	if err := checkNames(d.NameJa, d.NameEn); err != nil {
		return err
	}
	if d.CategoryID != "" {
		if err := CheckID(d.CategoryID); err != nil {
			return fmt.Errorf("categoryId %w", err)
		}
	}
	if err := value.CheckYen(d.Price); err != nil {
		return fmt.Errorf("price %w", err)
	}
	return d.checkAllergens()
}

func (d Details) checkAllergens() error {
	if len(d.Allergens) > MaxAllergens {
		return fmt.Errorf("allergens are %d, at most %d are allowed", len(d.Allergens), MaxAllergens)
	}
	for i, a := range d.Allergens {
		if a == "" || slices.Contains(d.Allergens[:i], a) {
			return fmt.Errorf("allergens: %q is empty or named twice", a)
		}
		if err := event.CheckText(a, MaxAllergenLen); err != nil {
			return fmt.Errorf("allergens: %.60q %w", a, err)
		}
	}
	return nil
}

// equal reports whether two products have the same details.
func (d Details) equal(other Details) bool {
	return d.NameJa == other.NameJa && d.NameEn == other.NameEn && d.CategoryID == other.CategoryID &&
		d.Price == other.Price && d.Offered == other.Offered && slices.Equal(d.Allergens, other.Allergens)
}

// clone returns details that share no memory with an event.
func (d Details) clone() Details {
	d.NameJa, d.NameEn, d.CategoryID = strings.Clone(d.NameJa), strings.Clone(d.NameEn), strings.Clone(d.CategoryID)
	d.Allergens = slices.Clone(d.Allergens)
	for i := range d.Allergens {
		d.Allergens[i] = strings.Clone(d.Allergens[i])
	}
	return d
}

// Product is what the rules know about one product. The zero Product was never on the menu.
type Product struct {
	ProductID string `json:"productId"`
	Details
	Removed bool `json:"removed,omitempty"`
}

// Exists reports whether the product is on the menu, offered or not.
func (p Product) Exists() bool { return p.ProductID != "" && !p.Removed }

// ProductCommand is implemented by the commands for one product.
type ProductCommand interface {
	model.Command
	decide(Product) ([]event.Payload, error)
}

// ProductRules are the rules of one product.
var ProductRules = model.Decider[Product, ProductCommand]{
	Kind:   productKind,
	Decide: func(p Product, c ProductCommand) ([]event.Payload, error) { return c.decide(p) },
	Evolve: EvolveProduct,
}

// SetProduct puts a product on the menu, or replaces what the menu says about it.
type SetProduct struct {
	ProductID string `json:"productId"`
	Details
}

// CommandName returns the name in log lines.
func (SetProduct) CommandName() string { return "SetProduct" }

func (c SetProduct) decide(p Product) ([]event.Payload, error) {
	if err := refused(CodeInvalidProduct, value.Named("productId", CheckID(c.ProductID))); err != nil {
		return nil, err
	}
	if err := refused(CodeInvalidProduct, c.check()); err != nil {
		return nil, err
	}
	if p.Exists() && p.equal(c.Details) {
		return nil, nil
	}
	return []event.Payload{ProductSet(c)}, nil
}

// RemoveProduct takes a product off the menu. Orders that name it stay as they are.
type RemoveProduct struct{}

// CommandName returns the name in log lines.
func (RemoveProduct) CommandName() string { return "RemoveProduct" }

func (RemoveProduct) decide(p Product) ([]event.Payload, error) {
	switch {
	case p.ProductID == "":
		return nil, refusal.New(CodeProductNotFound, "there is no such product")
	case p.Removed:
		return nil, nil
	}
	return []event.Payload{ProductRemoved{ProductID: p.ProductID}}, nil
}

// EvolveProduct applies one event to a product.
func EvolveProduct(p Product, e *event.Event) (Product, error) {
	switch e.Type {
	case ProductSetType:
		var set ProductSet
		if err := set.Decode(e); err != nil {
			return p, err
		}
		return Product{ProductID: strings.Clone(set.ProductID), Details: set.Details.clone()}, nil
	case ProductRemovedType:
		if !p.Exists() {
			return p, fmt.Errorf("product %s is not on the menu and cannot be removed", p.ProductID)
		}
		p.Removed = true
		return p, nil
	}
	return p, fmt.Errorf("%w %q", event.ErrUnknownType, e.Type)
}
