package lambdaevent

import (
	"context"

	"github.com/rs/zerolog"

	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/observe"
)

// Reproject returns the Lambda handler of the rebuilds' state machine that runs one step with do. The run's
// id is the correlation id of the log lines. The state machine identifies errors by the names of their
// types.
func Reproject(do func(context.Context, rebuild.Task) (any, error), logger zerolog.Logger) func(context.Context, rebuild.Task) (any, error) {
	var all invocations
	return func(ctx context.Context, task rebuild.Task) (any, error) {
		ctx, cancel := all.begin(ctx, logger)
		defer cancel()
		if id := task.Of(); observe.ValidCorrelationID(id) {
			ctx = observe.WithCorrelationID(ctx, id)
		}
		return do(ctx, task)
	}
}
