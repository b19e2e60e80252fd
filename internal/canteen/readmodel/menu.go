package readmodel

import (
	"gakushoku/internal/canteen/menu"
	"gakushoku/internal/canteen/refusal"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// The names of the menu's projections and the revisions of their folds.
const (
	ProductsName       = "products"
	ProductsRevision   = 1
	CategoriesName     = "categories"
	CategoriesRevision = 1
)

// MenuBucket is the bucket that lists all products, and all categories. They are few.
const MenuBucket = "menu"

// Products returns the projection of the menu's products.
func Products() model.Projection {
	return model.Projection{
		Name: ProductsName, Revision: ProductsRevision, Streams: menu.ProductPrefix,
		NewRow: func() model.Row { return new(Product) },
	}
}

// Categories returns the projection of the menu's categories.
func Categories() model.Projection {
	return model.Projection{
		Name: CategoriesName, Revision: CategoriesRevision, Streams: menu.CategoryPrefix,
		NewRow: func() model.Row { return new(Category) },
	}
}

// ProductsView returns how readers query products.
func ProductsView() model.View {
	return model.View{
		Projection: ProductsName, Kind: menu.ProductRules.Kind, Kept: true,
		NotFound:   refusal.New(menu.CodeProductNotFound, "there is no such product"),
		NotReached: menu.CodeNotReached,
		Queries:    model.QueryNames{Get: "GetProduct", List: "ListProducts"},
	}
}

// CategoriesView returns how readers query categories.
func CategoriesView() model.View {
	return model.View{
		Projection: CategoriesName, Kind: menu.CategoryRules.Kind, Kept: true,
		NotFound:   refusal.New(menu.CodeCategoryNotFound, "there is no such category"),
		NotReached: menu.CodeNotReached,
		Queries:    model.QueryNames{Get: "GetCategory", List: "ListCategories"},
	}
}

// Product is the row of one product. One that was removed keeps its row.
type Product struct {
	menu.Product
	ChangedAt event.Instant `json:"changedAt,omitzero"`
}

// Apply implements model.Row.
func (p *Product) Apply(e *event.Event) error {
	next, err := menu.EvolveProduct(p.Product, e)
	if err != nil {
		return known(err)
	}
	*p = Product{Product: next, ChangedAt: e.OccurredAt}
	return nil
}

// Contributions implements model.Row.
func (p *Product) Contributions() []model.Contribution { return nil }

// Place implements model.Row.
func (p *Product) Place() model.Place { return onMenu(p.ProductID) }

// Category is the row of one category. One that was removed keeps its row.
type Category struct {
	menu.Category
	ChangedAt event.Instant `json:"changedAt,omitzero"`
}

// Apply implements model.Row.
func (c *Category) Apply(e *event.Event) error {
	next, err := menu.EvolveCategory(c.Category, e)
	if err != nil {
		return known(err)
	}
	*c = Category{Category: next, ChangedAt: e.OccurredAt}
	return nil
}

// Contributions implements model.Row.
func (c *Category) Contributions() []model.Contribution { return nil }

// Place implements model.Row.
func (c *Category) Place() model.Place { return onMenu(c.CategoryID) }

// onMenu lists what was ever on the menu.
func onMenu(id string) model.Place {
	if id == "" {
		return model.Place{}
	}
	return model.Place{Bucket: MenuBucket, Sort: id}
}
