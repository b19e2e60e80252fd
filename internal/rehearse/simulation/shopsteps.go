package simulation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/canteen/checkout"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/stock"
	"gakushoku/internal/edge/payment"
	"gakushoku/internal/engine/command"
	engine "gakushoku/internal/engine/process"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
)

// Steps carries out the steps of a checkout of one dish, with the mistakes that a mutation wants.
type Steps struct {
	commands *command.Handler
	provider payment.Provider

	RecordFirst bool // outcomes of payments are recorded before the call
	VoidLast    bool // a cancelled order's payment is called void before it is
	NoMark      bool // releasing leaves no mark where nothing is reserved
}

// Perform is process.Performer.
func (s *Steps) Perform(ctx context.Context, c engine.Call) error {
	row, ok := c.Row.(*checkout.Row)
	if !ok {
		return fmt.Errorf("the row is a %T", c.Row)
	}
	switch c.Step {
	case checkout.StepReserve:
		return s.sold(ctx, c, row, stock.Reserve{StockID: stock.ID(row.Day, dish), OrderID: row.OrderID, Quantity: row.Items[0].Quantity}, order.RecordReserved{})
	case checkout.StepConfirm:
		return s.sold(ctx, c, row, stock.Sell{StockID: stock.ID(row.Day, dish), OrderID: row.OrderID}, order.RecordConfirmed{})
	case checkout.StepRelease:
		return s.release(ctx, c, row)
	case checkout.StepExpire:
		return s.record(ctx, c, row, order.ExpireOrder{At: event.InstantOf(time.Now())})
	case checkout.StepCapture:
		return s.capture(ctx, c, row)
	case checkout.StepVoid:
		return s.void(ctx, c, row)
	case checkout.StepRefund:
		if _, err := s.provider.Refund(ctx, row.PaymentID, row.PaymentID+"-refund", row.Total); err != nil {
			return err
		}
		return s.record(ctx, c, row, order.RecordRefund{PaymentID: row.PaymentID})
	}
	return fmt.Errorf("there is no step %s", c.Step)
}

func (s *Steps) record(ctx context.Context, c engine.Call, row *checkout.Row, outcome order.Command) error {
	_, err := command.Execute(ctx, s.commands, order.Rules, command.Request[order.Command]{ID: row.OrderID, Command: outcome, Key: c.ID})
	return err
}

func (s *Steps) ask(ctx context.Context, c engine.Call, row *checkout.Row, what stock.Command) error {
	_, err := command.Execute(ctx, s.commands, stock.Rules, command.Request[stock.Command]{ID: stock.ID(row.Day, dish), Command: what, Key: c.ID})
	return err
}

// sold asks the stock, and records what it said.
func (s *Steps) sold(ctx context.Context, c engine.Call, row *checkout.Row, what stock.Command, done order.Command) error {
	err := s.ask(ctx, c, row, what)
	var refused fault.DomainError
	if errors.As(err, &refused) {
		return s.record(ctx, c, row, order.RecordRejected{Code: refused.DomainCode(), ProductID: dish})
	}
	if err != nil {
		return err
	}
	return s.record(ctx, c, row, done)
}

func (s *Steps) release(ctx context.Context, c engine.Call, row *checkout.Row) error {
	if s.NoMark {
		history, err := s.commands.Streams.Load(ctx, stock.Stream(row.Day, dish), 0)
		if err != nil {
			return err
		}
		var state stock.State
		for i := range history {
			if state, err = stock.Evolve(state, &history[i]); err != nil {
				return err
			}
		}
		if state.Orders.Of(row.OrderID).Phase == "" {
			return s.record(ctx, c, row, order.RecordReleased{})
		}
	}
	if err := s.ask(ctx, c, row, stock.Release{StockID: stock.ID(row.Day, dish), OrderID: row.OrderID}); err != nil {
		return err
	}
	return s.record(ctx, c, row, order.RecordReleased{})
}

func (s *Steps) capture(ctx context.Context, c engine.Call, row *checkout.Row) error {
	paid := order.RecordPayment{PaymentID: row.PaymentID, At: event.InstantOf(time.Now())}
	if s.RecordFirst {
		if err := s.record(ctx, c, row, paid); err != nil {
			return err
		}
		_, err := s.provider.Capture(ctx, row.PaymentID, row.Total)
		return err
	}
	_, err := s.provider.Capture(ctx, row.PaymentID, row.Total)
	switch {
	case payment.Refused(err, payment.CodeDeclined), payment.Refused(err, payment.CodeVoided):
		return s.record(ctx, c, row, order.RecordDecline{PaymentID: row.PaymentID, Reason: "declined"})
	case err != nil:
		return err
	}
	return s.record(ctx, c, row, paid)
}

func (s *Steps) void(ctx context.Context, c engine.Call, row *checkout.Row) error {
	voided := order.RecordVoid{PaymentID: row.PaymentID}
	if s.VoidLast {
		if err := s.record(ctx, c, row, voided); err != nil {
			return err
		}
	}
	_, err := s.provider.Void(ctx, row.PaymentID)
	switch {
	case payment.Refused(err, payment.CodeAlreadyCaptured):
		return s.record(ctx, c, row, order.RecordPayment{PaymentID: row.PaymentID, At: event.InstantOf(time.Now())})
	case err != nil:
		return err
	}
	return s.record(ctx, c, row, voided)
}
