package simulation

import (
	"context"

	performer "gakushoku/internal/app/checkout"
	"gakushoku/internal/canteen/checkout"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/stock"
	"gakushoku/internal/engine/command"
	engine "gakushoku/internal/engine/process"
	"gakushoku/internal/event"
)

// Steps carries out the steps of checkouts of one dish, with a mistake.
type Steps struct {
	performer.Performer

	RecordFirst bool // that a payment is captured is recorded before the call
	VoidLast    bool // that a payment is void is recorded before the call
	NoMark      bool // releasing leaves no mark where nothing is reserved
}

// Perform is process.Performer.
func (s *Steps) Perform(ctx context.Context, c engine.Call) ([]event.Event, error) {
	row, ok := c.Row.(*checkout.Row)
	switch {
	case !ok:
	case s.RecordFirst && c.Step == checkout.StepCapture:
		if err := s.record(ctx, c, row, order.RecordPayment{PaymentID: row.PaymentID, At: event.InstantOf(s.Now())}); err != nil {
			return nil, err
		}
		_, err := s.Payments.Capture(ctx, row.PaymentID, row.Total)
		return nil, err
	case s.VoidLast && c.Step == checkout.StepVoid:
		if err := s.record(ctx, c, row, order.RecordVoid{PaymentID: row.PaymentID}); err != nil {
			return nil, err
		}
		_, err := s.Payments.Void(ctx, row.PaymentID)
		return nil, err
	case s.NoMark && c.Step == checkout.StepRelease:
		if none, err := s.holdsNothing(ctx, row); none || err != nil {
			if err == nil {
				err = s.record(ctx, c, row, order.RecordReleased{})
			}
			return nil, err
		}
	}
	return s.Performer.Perform(ctx, c)
}

func (s *Steps) record(ctx context.Context, c engine.Call, row *checkout.Row, outcome order.Command) error {
	_, err := command.Execute(ctx, s.Commands, order.Rules, command.Request[order.Command]{ID: row.OrderID, Command: outcome, Key: c.ID})
	return err
}

// holdsNothing reports whether an order has nothing reserved.
func (s *Steps) holdsNothing(ctx context.Context, row *checkout.Row) (bool, error) {
	history, err := s.Commands.Streams.Load(ctx, stock.Stream(row.Day, dish), 0)
	var shelf stock.State
	for i := range history {
		if err == nil {
			shelf, err = stock.Evolve(shelf, &history[i])
		}
	}
	return shelf.Orders.Of(row.OrderID).Phase == "", err
}
