package checkout

import (
	"context"
	"errors"
	"fmt"

	"gakushoku/internal/canteen/checkout"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/refusal"
	"gakushoku/internal/canteen/stock"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/process"
	"gakushoku/internal/event"
)

// reserve sets the portions of all products aside. If one is not to be had, the order is rejected, and what
// was reserved before is released next.
func (p *Performer) reserve(ctx context.Context, c process.Call, row *checkout.Row) ([]event.Event, error) {
	return p.ask(ctx, c, row, order.RecordReserved{}, func(stockID string, i checkout.Item) stock.Command {
		return stock.Reserve{StockID: stockID, OrderID: row.OrderID, Quantity: i.Quantity}
	})
}

// confirm sells the portions. It is refused only if they were released: then the order is rejected and the
// money goes back.
func (p *Performer) confirm(ctx context.Context, c process.Call, row *checkout.Row) ([]event.Event, error) {
	return p.ask(ctx, c, row, order.RecordConfirmed{}, func(stockID string, _ checkout.Item) stock.Command {
		return stock.Sell{StockID: stockID, OrderID: row.OrderID}
	})
}

// release gives back the portions that the order holds, and leaves a mark where it holds none.
func (p *Performer) release(ctx context.Context, c process.Call, row *checkout.Row) ([]event.Event, error) {
	for _, i := range row.Items {
		id := stock.ID(row.Day, i.ProductID)
		if err := p.change(ctx, c, id, stock.Release{StockID: id, OrderID: row.OrderID}); err != nil {
			return nil, fmt.Errorf("releasing the portions of %s: %w", i.ProductID, err)
		}
	}
	return p.record(ctx, c, row, order.RecordReleased{})
}

// expire calls off an order that was not paid in time.
func (p *Performer) expire(ctx context.Context, c process.Call, row *checkout.Row) ([]event.Event, error) {
	return p.record(ctx, c, row, order.ExpireOrder{At: event.InstantOf(p.Now())})
}

// ask sends a command to the stock of each product, and records that all were carried out, or that one was
// refused.
func (p *Performer) ask(ctx context.Context, c process.Call, row *checkout.Row, done order.Command, ask func(stockID string, i checkout.Item) stock.Command) ([]event.Event, error) {
	for _, i := range row.Items {
		id := stock.ID(row.Day, i.ProductID)
		err := p.change(ctx, c, id, ask(id, i))
		var refused *refusal.Error
		if errors.As(err, &refused) {
			return p.record(ctx, c, row, order.RecordRejected{Code: refused.Code, ProductID: i.ProductID})
		}
		if err != nil {
			return nil, fmt.Errorf("step %s for %s: %w", c.Step, i.ProductID, err)
		}
	}
	return p.record(ctx, c, row, done)
}

// change executes a command on a product's stock. The stock remembers orders, so a repeat changes nothing.
func (p *Performer) change(ctx context.Context, c process.Call, stockID string, sent stock.Command) error {
	_, err := command.Execute(ctx, p.Commands, stock.Rules, command.Request[stock.Command]{ID: stockID, Command: sent, Key: c.ID})
	return err
}
