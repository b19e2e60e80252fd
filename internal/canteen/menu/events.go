package menu

import (
	"gakushoku/internal/canteen/value"
	"gakushoku/internal/event"
)

// The names of the event types are stored: never change one, only add new ones.
const (
	ProductSetType      = "ProductSet"
	ProductRemovedType  = "ProductRemoved"
	CategorySetType     = "CategorySet"
	CategoryRemovedType = "CategoryRemoved"
)

// The prefixes of the streams of products and categories.
const (
	ProductPrefix  = "product-"
	CategoryPrefix = "category-"
)

var (
	productKind  = event.Kind{Prefix: ProductPrefix, Key: "productId", Types: "Product"}
	categoryKind = event.Kind{Prefix: CategoryPrefix, Key: "categoryId", Types: "Category"}

	productSet      = event.Define[ProductSet](productKind, 1)
	productRemoved  = event.Define[ProductRemoved](productKind, 1)
	categorySet     = event.Define[CategorySet](categoryKind, 1)
	categoryRemoved = event.Define[CategoryRemoved](categoryKind, 1)
)

// ProductSet means that the menu says this about a product from now on.
type ProductSet struct {
	ProductID string `json:"productId"`
	Details
}

// EventType implements event.Payload.
func (ProductSet) EventType() string { return ProductSetType }

// Decode reads the payload of e.
func (p *ProductSet) Decode(e *event.Event) error {
	f := productSet.Fields(e)
	*p = ProductSet{ProductID: f.ID(), Details: Details{
		NameJa: f.Required("nameJa"), NameEn: f.Text("nameEn"), CategoryID: f.Text("categoryId"),
		Price: f.Integer("price"), Allergens: f.Texts("allergens"), Offered: f.Bool("offered"),
	}}
	return f.Err()
}

// Check implements event.Checker.
func (p ProductSet) Check() error {
	if err := CheckID(p.ProductID); err != nil {
		return value.Named("payload.productId", err)
	}
	return p.check()
}

// ProductRemoved means that a product is not on the menu any more.
type ProductRemoved struct {
	ProductID string `json:"productId"`
}

// EventType implements event.Payload.
func (ProductRemoved) EventType() string { return ProductRemovedType }

// Decode reads the payload of e.
func (p *ProductRemoved) Decode(e *event.Event) error {
	f := productRemoved.Fields(e)
	p.ProductID = f.ID()
	return f.Err()
}

// CategorySet means that the menu has this category from now on.
type CategorySet struct {
	CategoryID string `json:"categoryId"`
	NameJa     string `json:"nameJa"`
	NameEn     string `json:"nameEn,omitempty"`
	Position   int64  `json:"position"` // among the categories, lowest first
}

// EventType implements event.Payload.
func (CategorySet) EventType() string { return CategorySetType }

// Decode reads the payload of e.
func (p *CategorySet) Decode(e *event.Event) error {
	f := categorySet.Fields(e)
	*p = CategorySet{CategoryID: f.ID(), NameJa: f.Required("nameJa"), NameEn: f.Text("nameEn"), Position: f.Integer("position")}
	return f.Err()
}

// Check implements event.Checker.
func (p CategorySet) Check() error {
	if err := CheckID(p.CategoryID); err != nil {
		return value.Named("payload.categoryId", err)
	}
	return SetCategory(p).check()
}

// CategoryRemoved means that the menu does not have a category any more.
type CategoryRemoved struct {
	CategoryID string `json:"categoryId"`
}

// EventType implements event.Payload.
func (CategoryRemoved) EventType() string { return CategoryRemovedType }

// Decode reads the payload of e.
func (p *CategoryRemoved) Decode(e *event.Event) error {
	f := categoryRemoved.Fields(e)
	p.CategoryID = f.ID()
	return f.Err()
}
