package httpapi

import (
	"cmp"
	"net/http"

	"gakushoku/internal/canteen/day"
	"gakushoku/internal/canteen/menu"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/edge/identity"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/query"
	"gakushoku/internal/event"
)

func menuRoutes() []route {
	products := aggregate[menu.Product, menu.ProductCommand]{
		rules: menu.ProductRules, path: []param{pathID}, id: byID,
		tell:  func(r *command.Result[menu.Product]) any { return productOutcome{r.State, r.Version, idsOf(r.Events)} },
		where: func(r *command.Result[menu.Product]) string { return at("/products/", r.State.ProductID) },
	}
	categories := aggregate[menu.Category, menu.CategoryCommand]{
		rules: menu.CategoryRules, path: []param{pathID}, id: byID,
		tell: func(r *command.Result[menu.Category]) any {
			return categoryOutcome{r.State, r.Version, idsOf(r.Events)}
		},
		where: func(r *command.Result[menu.Category]) string { return at("/categories/", r.State.CategoryID) },
	}
	product := resource{view: readmodel.ProductsView(), path: []param{pathID}, id: byID}
	category := resource{view: readmodel.CategoriesView(), path: []param{pathID}, id: byID}
	writing := []string{identity.ScopeMenuWrite}
	return []route{
		execute(products, operation{"setProduct", http.MethodPut, "/products/{id}", writing}, must(setProduct),
			func(c *call, p *menu.SetProduct) { p.ProductID = byID(c.Request) }),
		execute(products, operation{"removeProduct", http.MethodDelete, "/products/{id}", writing}, may(object[menu.RemoveProduct]()), nil),
		product.one(operation{"getProduct", http.MethodGet, "/products/{id}", nil}),
		execute(categories, operation{"setCategory", http.MethodPut, "/categories/{id}", writing}, must(setCategory),
			func(c *call, p *menu.SetCategory) { p.CategoryID = byID(c.Request) }),
		execute(categories, operation{"removeCategory", http.MethodDelete, "/categories/{id}", writing}, may(object[menu.RemoveCategory]()), nil),
		category.one(operation{"getCategory", http.MethodGet, "/categories/{id}", nil}),
		{operation{"getMenu", http.MethodGet, "/menu", nil}, PartQueries, input{params: []param{menuDay}}, getMenu},
	}
}

var menuDay = param{inQuery, "day", dayLike}

// The bodies of commands. The canteen's rules restrict the values further.
var (
	setProduct = object(
		required("nameJa", text(anything), func(c *menu.SetProduct) *string { return &c.NameJa }),
		optional("nameEn", text(anything), func(c *menu.SetProduct) *string { return &c.NameEn }),
		optional("categoryId", text(anything), func(c *menu.SetProduct) *string { return &c.CategoryID }),
		required("price", integer, func(c *menu.SetProduct) *int64 { return &c.Price }),
		optional("allergens", list(text(anything)), func(c *menu.SetProduct) *[]string { return &c.Allergens }),
		required("offered", boolean, func(c *menu.SetProduct) *bool { return &c.Offered }),
	)
	setCategory = object(
		required("nameJa", text(anything), func(c *menu.SetCategory) *string { return &c.NameJa }),
		optional("nameEn", text(anything), func(c *menu.SetCategory) *string { return &c.NameEn }),
		required("position", integer, func(c *menu.SetCategory) *int64 { return &c.Position }),
	)
)

// productOutcome is the body of a command's response: the product right after the command.
type productOutcome struct {
	menu.Product
	Version  uint64   `json:"version"`
	EventIDs []string `json:"eventIds"` // none if the product was like this before
}

// categoryOutcome is the same for a category.
type categoryOutcome struct {
	menu.Category
	Version  uint64   `json:"version"`
	EventIDs []string `json:"eventIds"`
}

// getMenu serves the menu of a day; without one, today's.
func getMenu(c *call) error {
	s, ctx := c.server, c.Context()
	on := cmp.Or(c.query.Get(menuDay.name), day.Of(event.InstantOf(s.Now())))
	stock, err := s.Queries.Of(readmodel.StockView()).All(ctx, on)
	if err != nil {
		return err
	}
	products, err := s.Queries.Of(readmodel.ProductsView()).All(ctx, readmodel.MenuBucket)
	if err != nil {
		return err
	}
	categories, err := s.Queries.Of(readmodel.CategoriesView()).All(ctx, readmodel.MenuBucket)
	if err != nil {
		return err
	}
	shown, err := readmodel.MenuOf(on, dataOf(categories), dataOf(products), dataOf(stock))
	if err != nil {
		return err
	}
	c.w.Header().Set("Cache-Control", "no-cache")
	return respond(c.w, http.StatusOK, shown)
}

// dataOf returns the JSON of rows.
func dataOf(rows []query.Row) [][]byte {
	all := make([][]byte, len(rows))
	for i := range rows {
		all[i] = rows[i].Data
	}
	return all
}

// menuKinds are the problems with products and categories.
var menuKinds = map[string]kind{
	menu.CodeProductNotFound:  {http.StatusNotFound, "Product not found"},
	menu.CodeInvalidProduct:   {http.StatusUnprocessableEntity, "Invalid product"},
	menu.CodeCategoryNotFound: {http.StatusNotFound, "Category not found"},
	menu.CodeInvalidCategory:  {http.StatusUnprocessableEntity, "Invalid category"},
	menu.CodeNotReached:       {http.StatusPreconditionFailed, "The menu has not reached the requested version"},
}
