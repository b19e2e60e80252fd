package lambdaevent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/rs/zerolog"

	"gakushoku/internal/engine/process"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/observe"
)

// Carried is what an invocation has done, by process.
type Carried map[string]process.Ran

// Woken is what the projector invokes the function with when a row has become due. What else it is invoked with
// does not matter.
var Woken = []byte(`{"woken":true}`)

func woken(in json.RawMessage) bool {
	var sent struct{ Woken bool }
	return json.Unmarshal(in, &sent) == nil && sent.Woken
}

// CarryOut returns the Lambda handler that carries out what is due in processes. What an invocation had no time
// for, the next one does. One that is woken waits until the workers take what woke it, and what becomes due within
// the grace after that.
func CarryOut(logger zerolog.Logger, workers ...*process.Worker) func(context.Context, json.RawMessage) (Carried, error) {
	return Invoked(func(ctx context.Context, in json.RawMessage) (Carried, error) {
		carried := Carried{}
		var errs []error
		for _, w := range workers {
			if woken(in) {
				wait.For(ctx, 2*w.Grace) //nolint:errcheck // RunDue looks at ctx
			}
			ran, err := w.RunDue(ctx)
			carried[w.Name()] = ran
			line := observe.Logger(ctx).Info()
			if err != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				line = observe.Logger(ctx).Error().Err(err).Str(observe.FieldErrorClass, string(fault.ClassOf(err)))
				errs = append(errs, fmt.Errorf("%s: %w", w.Name(), err))
			}
			line.Str(observe.FieldProcess, w.Name()).Int("rows", ran.Rows).Int("steps", ran.Steps).Int("failed", ran.Failed).Int("stuck", ran.Stuck).Msg("process:run")
		}
		return carried, errors.Join(errs...)
	}, logger)
}
