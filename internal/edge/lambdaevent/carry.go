package lambdaevent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/rs/zerolog"

	"gakushoku/internal/engine/process"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
)

// Carried is what an invocation has done, by process.
type Carried map[string]process.Ran

// CarryOut returns the Lambda handler that carries out what is due in processes. What it is invoked with does
// not matter. What an invocation had no time for, the next one does.
func CarryOut(logger zerolog.Logger, workers ...*process.Worker) func(context.Context, json.RawMessage) (Carried, error) {
	return Invoked(func(ctx context.Context, _ json.RawMessage) (Carried, error) {
		carried := Carried{}
		var errs []error
		for _, w := range workers {
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
