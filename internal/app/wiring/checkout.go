package wiring

import (
	"context"
	"time"

	performer "gakushoku/internal/app/checkout"
	"gakushoku/internal/canteen"
	"gakushoku/internal/canteen/checkout"
	"gakushoku/internal/edge/payment"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/process"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
)

// Grace is how long a step is left to the request that made it due.
const Grace = time.Second

// Checkout builds the worker of the checkout process, which records outcomes through commands. payments is nil
// if no provider is configured.
func (p *Ports) Checkout(commands *command.Handler, payments payment.Provider) *process.Worker {
	steps := &performer.Performer{Commands: commands, Now: time.Now}
	if payments != nil {
		steps.Payments = payment.Settled(payment.Observed(payments))
	}
	return &process.Worker{
		Ports:     process.Ports{Revisions: canteen.Processes().Named(checkout.Name), Pointers: p.Pointers, Tables: p.Tables, Streams: p.Events, Now: time.Now},
		Performer: steps, Grace: Grace, Tick: time.Second,
	}
}

// The time that a request has for the steps that its command makes due, and what must be left of it to respond.
const (
	inlineLimit   = 10 * time.Second
	inlineReserve = 2 * time.Second
)

// Inline returns what carries out the steps that a command makes due, before its response. If a step fails,
// a worker tries it again, and the response says how far the stream has come.
func Inline(w *process.Worker) func(ctx context.Context, stream string, known []event.Event) ([]event.Event, error) {
	return func(ctx context.Context, stream string, known []event.Event) ([]event.Event, error) {
		limit := inlineLimit
		if deadline, ok := ctx.Deadline(); ok {
			limit = min(limit, time.Until(deadline)-inlineReserve)
		}
		limited, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		now, err := w.Drive(limited, stream, known)
		if err != nil {
			now = nil
			observe.Logger(ctx).Warn().Err(err).Str(observe.FieldStream, stream).
				Str(observe.FieldErrorClass, string(fault.ClassOf(err))).Msg("process:left-to-worker")
		}
		return now, nil
	}
}
