package embedded

import (
	"context"

	"gakushoku/internal/engine/audit"
	"gakushoku/internal/observe"
)

// refusals returns what records refused commands. A standby records none: it writes no events.
func (r *running) refusals() func(context.Context, audit.Refusal) {
	record := r.folder.Recorder().Refused
	return func(ctx context.Context, refused audit.Refusal) {
		if !r.folder.follows() {
			record(ctx, refused)
		}
	}
}

// measured is named for a component that measures.
func (r *running) measured(ctx context.Context, function string) context.Context {
	return observe.WithMetrics(r.named(ctx, function), r.sent.Metrics())
}

// archiveRest archives everything, unless the log is that of a primary.
func (r *running) archiveRest(ctx context.Context) error {
	if r.folder.follows() {
		return nil
	}
	return r.Archiver.CatchUp(ctx)
}
