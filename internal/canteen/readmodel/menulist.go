package readmodel

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// Menu is what guests can order on a day.
type Menu struct {
	Day        string         `json:"day"`
	Categories []MenuCategory `json:"categories"` // by position; those without products are left out
}

// MenuCategory is a category with its products.
type MenuCategory struct {
	CategoryID string     `json:"categoryId"` // "" for products without a category
	NameJa     string     `json:"nameJa"`
	NameEn     string     `json:"nameEn,omitempty"`
	Products   []MenuItem `json:"products"` // by id
}

// MenuItem is a product that is offered.
type MenuItem struct {
	ProductID string   `json:"productId"`
	NameJa    string   `json:"nameJa"`
	NameEn    string   `json:"nameEn,omitempty"`
	Price     int64    `json:"price"` // yen
	Allergens []string `json:"allergens"`
	// PortionsLeft is missing if no number was set.
	PortionsLeft *int64 `json:"portionsLeft,omitempty"`
}

// without is the category of products that have none, or one that is not on the menu.
var without = Category{}

func init() { without.NameJa, without.NameEn = "その他", "Other" }

// MenuOf returns the menu of a day from the JSON of the rows of all categories, all products, and the day's stock.
func MenuOf(day string, categories, products, stock [][]byte) (Menu, error) {
	listed, err := decoded[Category](categories)
	if err != nil {
		return Menu{}, err
	}
	offered, err := decoded[Product](products)
	if err != nil {
		return Menu{}, err
	}
	stocks, err := decoded[Stock](stock)
	if err != nil {
		return Menu{}, err
	}
	listed = slices.DeleteFunc(listed, func(c Category) bool { return c.Removed })
	slices.SortFunc(listed, func(a, b Category) int {
		return cmp.Or(cmp.Compare(a.Position, b.Position), cmp.Compare(a.CategoryID, b.CategoryID))
	})
	listed = append(listed, without)
	items := itemsByCategory(listed, offered, leftOf(stocks))
	shown := Menu{Day: day, Categories: []MenuCategory{}}
	for _, c := range listed {
		if len(items[c.CategoryID]) > 0 {
			shown.Categories = append(shown.Categories, MenuCategory{c.CategoryID, c.NameJa, c.NameEn, items[c.CategoryID]})
		}
	}
	return shown, nil
}

// itemsByCategory returns the offered products of each listed category.
func itemsByCategory(listed []Category, products []Product, left map[string]int64) map[string][]MenuItem {
	known := map[string]bool{}
	for _, c := range listed {
		known[c.CategoryID] = true
	}
	slices.SortFunc(products, func(a, b Product) int { return cmp.Compare(a.ProductID, b.ProductID) })
	items := map[string][]MenuItem{}
	for _, p := range products {
		if p.Removed || !p.Offered {
			continue
		}
		item := MenuItem{ProductID: p.ProductID, NameJa: p.NameJa, NameEn: p.NameEn, Price: p.Price, Allergens: append([]string{}, p.Allergens...)}
		if n, limited := left[p.ProductID]; limited {
			item.PortionsLeft = &n
		}
		category := p.CategoryID
		if !known[category] {
			category = ""
		}
		items[category] = append(items[category], item)
	}
	return items
}

// leftOf returns the portions that are left of each product whose stock is limited.
func leftOf(stocks []Stock) map[string]int64 {
	left := map[string]int64{}
	for _, s := range stocks {
		if s.Limited {
			left[s.ProductID] = s.Free()
		}
	}
	return left
}

func decoded[R any](rows [][]byte) ([]R, error) {
	all := make([]R, len(rows))
	for i, data := range rows {
		if err := json.Unmarshal(data, &all[i]); err != nil {
			return nil, fmt.Errorf("reading a row of the menu: %w", err)
		}
	}
	return all, nil
}
