package loadgen

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"gakushoku/events"
	"gakushoku/internal/app/menufile"
	"gakushoku/internal/canteen/day"
	"gakushoku/internal/event"
)

// Line is what a guest orders of one product.
type Line struct {
	ProductID string `json:"productId"`
	Quantity  int64  `json:"quantity"`
}

// Orders are what guests order, one dish of the sample menu at a time.
var Orders = []Line{{"katsu-curry", 1}, {"miso-ramen", 1}, {"onigiri", 2}, {"kitsune-udon", 1}, {"karaage-don", 1}}

// Portions is how many portions of each dish there are in a day: more than guests order.
const Portions = 10_000

// SampleMenu returns the sample menu.
func SampleMenu() (menufile.Menu, error) {
	m, err := menufile.Read(bytes.NewReader(events.Menu()))
	if err != nil {
		return m, fmt.Errorf("reading the sample menu: %w", err)
	}
	return m, nil
}

// setUp is how many requests OpenMenu sends at a time.
const setUp = 4

// OpenMenu puts the sample menu on the menu, and portions of what guests order for today. It may be repeated.
func (c *Client) OpenMenu(ctx context.Context) error {
	m, err := SampleMenu()
	if err != nil {
		return err
	}
	bodies := map[string]any{}
	for _, p := range m.Products {
		bodies["/products/"+p.ProductID] = p.Details
	}
	for _, l := range Orders { // a product must be on the menu first
		if err := c.put(ctx, "/products/"+l.ProductID, bodies["/products/"+l.ProductID]); err != nil {
			return err
		}
		delete(bodies, "/products/"+l.ProductID)
		bodies["/stock/"+day.Of(event.InstantOf(time.Now()))+"/"+l.ProductID] = map[string]any{"portions": Portions}
	}
	for _, category := range m.Categories {
		body := map[string]any{"nameJa": category.NameJa, "nameEn": category.NameEn, "position": category.Position}
		bodies["/categories/"+category.CategoryID] = body
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(setUp)
	for path, body := range bodies {
		group.Go(func() error { return c.put(groupCtx, path, body) })
	}
	return group.Wait()
}

func (c *Client) put(ctx context.Context, path string, body any) error {
	_, err := c.Send(ctx, http.MethodPut, path, nil, body, new(any))
	return err
}
