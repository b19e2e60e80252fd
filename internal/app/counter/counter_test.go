package counter_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"gakushoku/internal/app/counter"
	"gakushoku/internal/canteen/menu"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/refusal"
	"gakushoku/internal/canteen/stock"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/memory"
)

var noon = time.Date(2026, 11, 30, 3, 0, 0, 0, time.UTC)

type till struct {
	commands *command.Handler
	counter  counter.Counter
}

func newTill(t *testing.T) *till {
	t.Helper()
	handler := &command.Handler{Streams: memory.NewEvents(), Now: func() time.Time { return noon }, NewID: observe.NewID}
	k := &till{handler, counter.Counter{Commands: handler, Now: handler.Now, Checkout: true}}
	k.set(t, "curry", 420, true)
	k.set(t, "soup", 100, false)
	return k
}

func (k *till) set(t *testing.T, id string, price int64, offered bool) {
	t.Helper()
	c := menu.SetProduct{ProductID: id, Details: menu.Details{NameJa: id + "定食", Price: price, Offered: offered}}
	if _, err := command.Execute(t.Context(), k.commands, menu.ProductRules, command.Request[menu.ProductCommand]{ID: id, Command: c}); err != nil {
		t.Fatal(err)
	}
}

// place places an order as the HTTP entrance does.
func (k *till) place(ctx context.Context, key string, lines ...order.Line) (command.Result[order.State], error) {
	return command.Execute(ctx, k.commands, order.Rules, command.Request[order.Command]{
		Command: order.PlaceOrder{OrderID: "o1", Lines: lines}, Key: key,
		Complete: func(ctx context.Context, c order.Command) (order.Command, error) {
			whole, err := k.counter.Complete(ctx, c)
			if err != nil {
				return c, err
			}
			return whole.(order.Command), nil
		},
	})
}

func code(err error) string {
	if refused := (*refusal.Error)(nil); errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

func TestAnOrderIsPricedByTheMenuAndStaysSo(t *testing.T) {
	t.Parallel()
	k := newTill(t)
	curry := order.Line{ProductID: "curry", Quantity: 2}
	placed, err := k.place(t.Context(), "k1", curry)
	if err != nil || placed.State.Total != 840 || placed.State.Day != "2026-11-30" || placed.State.PayBy != event.InstantOf(noon.Add(15*time.Minute)) {
		t.Fatalf("%+v, %v", placed.State, err)
	}
	k.set(t, "curry", 500, true)
	again, err := k.place(t.Context(), "k1", curry)
	if err != nil || !again.Repeated || again.State.Total != 840 {
		t.Errorf("the same request after the price has changed: %+v, %v", again.State, err)
	}
	if _, err := k.place(t.Context(), "k2", order.Line{ProductID: "curry", Quantity: 2, UnitPrice: 420}); code(err) != order.CodeAlreadyExists {
		t.Errorf("another command for the order: %v", err)
	}
}

func TestWhatTheMenuDoesNotOfferIsRefused(t *testing.T) {
	t.Parallel()
	guest := observe.WithCaller(t.Context(), observe.Caller{Name: "guest-7", Scopes: "orders:own menu:read"})
	cashier := observe.WithCaller(t.Context(), observe.Caller{Name: "till-1", Scopes: "orders:cashier"})
	own := order.Line{Product: "お茶", Quantity: 1, UnitPrice: 120}
	for name, c := range map[string]struct {
		ctx  context.Context
		line order.Line
		want string
	}{
		"an old price":          {guest, order.Line{ProductID: "curry", Quantity: 1, UnitPrice: 400}, order.CodePriceChanged},
		"not offered":           {guest, order.Line{ProductID: "soup", Quantity: 1}, order.CodeNotOffered},
		"unknown":               {guest, order.Line{ProductID: "cake", Quantity: 1}, order.CodeUnknownProduct},
		"no id that can be":     {guest, order.Line{ProductID: "a b", Quantity: 1}, order.CodeUnknownProduct},
		"a guest's own price":   {guest, own, order.CodeMenuOnly},
		"a cashier's own price": {cashier, own, ""},
	} {
		if _, err := newTill(t).place(c.ctx, "", c.line); code(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestPortionsAreOfWhatIsOnTheMenu(t *testing.T) {
	t.Parallel()
	k := newTill(t)
	for id, want := range map[string]string{"2026-11-30-curry": "", "2026-11-30-soup": "", "2026-11-30-cake": order.CodeUnknownProduct, "curry": ""} {
		if _, err := k.counter.Complete(t.Context(), stock.SetPortions{StockID: id, Portions: 1}); code(err) != want {
			t.Errorf("%s: %v, want %q", id, err, want)
		}
	}
}
