// Package counter adds to commands what their rules need to know of other aggregates: an order's names and
// prices are those of the menu, and it takes from the stock of the day.
package counter

import (
	"context"
	"time"

	"gakushoku/internal/canteen/checkout"
	"gakushoku/internal/canteen/day"
	"gakushoku/internal/canteen/menu"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/refusal"
	"gakushoku/internal/canteen/stock"
	"gakushoku/internal/canteen/value"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
)

// ScopeCashier is the scope of callers who may place orders of what is not on the menu.
const ScopeCashier = "orders:cashier"

// Counter completes commands. It is safe for concurrent use.
type Counter struct {
	Commands *command.Handler
	Now      func() time.Time
	// Checkout says that something carries out checkouts. Otherwise orders of the menu are paid as they come,
	// without reserving portions.
	Checkout bool
	Guests   Limits
	// Open returns how many orders of a caller hold portions that are not paid for, as the read model has them; at
	// most a page of the newest is looked at. It may be nil.
	Open func(ctx context.Context, owner string) (int, error)
}

// Limits are what callers without the cashier's scope may hold. 0 is any number.
type Limits struct {
	Portions int // of one product in one order
	Open     int // orders that are not paid
}

// DefaultLimits are more than a guest needs.
var DefaultLimits = Limits{Portions: 20, Open: 5}

// bounded refuses an order of a guest who would hold too much. Orders that are placed at the same moment, or
// have not reached the read model yet, are not seen. If they cannot be counted, the guest is served.
func (c *Counter) bounded(ctx context.Context, o order.PlaceOrder) error {
	caller := observe.CallerOf(ctx)
	if caller.Scopes == "" || caller.Can(ScopeCashier) {
		return nil
	}
	portions := map[string]int64{}
	for _, l := range o.Lines {
		portions[l.ProductID] += min(max(0, l.Quantity), value.MaxQuantity) // the rules refuse the others
		if most := c.Guests.Portions; most > 0 && portions[l.ProductID] > int64(most) {
			return refusal.New(order.CodeTooManyPortions, "guests order at most %d portions of a product at once: ask at the till for more", most)
		}
	}
	if c.Guests.Open <= 0 || c.Open == nil || caller.Name == "" {
		return nil
	}
	open, err := c.Open(ctx, caller.Name)
	if err != nil {
		observe.Logger(ctx).Warn().Str(observe.FieldErrorClass, string(fault.ClassOf(err))).Err(err).Msg("command:open-not-counted")
		return nil
	}
	if open >= c.Guests.Open {
		return refusal.New(order.CodeTooManyOpen, "%d of your orders are not paid yet, and guests may have %d: pay or cancel one first", open, c.Guests.Open)
	}
	return nil
}

// Complete adds what a command's rules need and the client does not send.
func (c *Counter) Complete(ctx context.Context, sent model.Command) (model.Command, error) {
	switch sent := sent.(type) {
	case order.PlaceOrder:
		return c.place(ctx, sent)
	case stock.SetPortions:
		return sent, c.onMenu(ctx, sent)
	}
	return sent, nil
}

// place looks up the products of an order.
func (c *Counter) place(ctx context.Context, o order.PlaceOrder) (order.Command, error) {
	if caller := observe.CallerOf(ctx); !o.FromMenu() && caller.Scopes != "" && !caller.Can(ScopeCashier) {
		return nil, refusal.New(order.CodeMenuOnly, "each line of the order must name a product of the menu: only callers with the scope %s sell anything else", ScopeCashier)
	}
	if err := c.bounded(ctx, o); err != nil {
		return nil, err
	}
	if c.Checkout {
		now := event.InstantOf(c.Now())
		o.Day, o.PayBy = day.Of(now), now+checkout.PayWithin
	}
	o.Menu = map[string]menu.Product{}
	if len(o.Lines) > order.MaxLines {
		return o, nil // the rules refuse it
	}
	for _, l := range o.Lines {
		if _, known := o.Menu[l.ProductID]; known || l.ProductID == "" {
			continue
		}
		p, err := c.product(ctx, l.ProductID)
		if err != nil {
			return nil, err
		}
		o.Menu[l.ProductID] = p
	}
	return o, nil
}

// product returns a product as it is now, the zero Product if it was never on the menu.
func (c *Counter) product(ctx context.Context, id string) (menu.Product, error) {
	if menu.CheckID(id) != nil {
		return menu.Product{}, nil
	}
	p, _, err := command.Load(ctx, c.Commands, menu.ProductRules, id)
	return p, err
}

// onMenu refuses portions of a product that is not on the menu: they could not be ordered.
func (c *Counter) onMenu(ctx context.Context, s stock.SetPortions) error {
	_, id, err := stock.Split(s.StockID)
	if err != nil {
		return nil // the rules refuse it
	}
	p, err := c.product(ctx, id)
	if err == nil && !p.Exists() {
		err = refusal.New(order.CodeUnknownProduct, "%.64q is not on the menu: put it there first", id)
	}
	return err
}
