// Package checkout carries out the steps of the checkout process: it asks the stock and the payment provider,
// and records what they said on the order.
//
// Each step is safe to repeat, and to carry out twice at once. What is asked remembers the order or the payment
// by its key, and what is recorded has the call's id as its key. The outcome is recorded after the call, never
// before. A refusal is an outcome; an error means that the step is tried again.
package checkout

import (
	"context"
	"fmt"
	"time"

	"gakushoku/internal/canteen/checkout"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/edge/payment"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/process"
	"gakushoku/internal/event"
)

// Performer carries out the steps of checkout. It is safe for concurrent use.
type Performer struct {
	Commands *command.Handler
	Payments payment.Provider // nil if no provider is configured
	Now      func() time.Time
}

var _ process.Performer = (*Performer)(nil)

// steps are the steps by name.
var steps = map[string]func(*Performer, context.Context, process.Call, *checkout.Row) ([]event.Event, error){
	checkout.StepReserve: (*Performer).reserve,
	checkout.StepExpire:  (*Performer).expire,
	checkout.StepCapture: (*Performer).capture,
	checkout.StepConfirm: (*Performer).confirm,
	checkout.StepVoid:    (*Performer).void,
	checkout.StepRefund:  (*Performer).refund,
	checkout.StepRelease: (*Performer).release,
}

// Perform implements process.Performer.
func (p *Performer) Perform(ctx context.Context, c process.Call) ([]event.Event, error) {
	row, step := checkout.RowOf(c.Row), steps[c.Step]
	if row == nil || step == nil {
		return nil, fmt.Errorf("step %s of %s is none of checkout's", c.Step, c.Process)
	}
	return step(p, ctx, c, row)
}

// record records the outcome of a step on the order. It returns the events, unless others may have followed.
func (p *Performer) record(ctx context.Context, c process.Call, row *checkout.Row, outcome order.Command) ([]event.Event, error) {
	request := command.Request[order.Command]{ID: row.OrderID, Command: outcome, Key: c.ID, Known: c.History}
	result, err := command.Execute(ctx, p.Commands, order.Rules, request)
	if err != nil {
		return nil, fmt.Errorf("recording the outcome of %s: %w", c.Step, err)
	}
	if result.Repeated {
		return nil, nil
	}
	return result.Events, nil
}
