package faultport

import (
	"context"
	"fmt"

	"gakushoku/internal/engine/eventio"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/event"
)

// Target puts a gate in front of the target of an import.
type Target struct {
	eventio.Target
	Gate Gate
}

// LoadMany implements eventio.Target.
func (t Target) LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error) {
	return ask(ctx, t.Gate, "load many", func(ctx context.Context) (map[string][]event.Event, error) { return t.Target.LoadMany(ctx, streams) })
}

// AppendAll implements eventio.Target. It passes the gate once as a whole, and once for each append within.
func (t Target) AppendAll(ctx context.Context, f func(add func(string, uint64, []event.Event) error) error) error {
	return tell(ctx, t.Gate, Writes, "append all", func(ctx context.Context) error {
		return t.Target.AppendAll(ctx, func(add func(string, uint64, []event.Event) error) error {
			return f(func(stream string, expected uint64, events []event.Event) error {
				return tell(ctx, t.Gate, Writes, fmt.Sprintf("add %s@%d", stream, expected), func(context.Context) error {
					return add(stream, expected, events)
				})
			})
		})
	})
}

// EachID implements eventio.Target. Each event passes the gate, and so does the end.
func (t Target) EachID(ctx context.Context, f func(id, stream string, version uint64) error) error {
	err := t.Target.EachID(ctx, func(id, stream string, version uint64) error {
		return tell(ctx, t.Gate, Reads, "id "+id, func(context.Context) error { return f(id, stream, version) })
	})
	if err != nil {
		return err
	}
	return tell(ctx, t.Gate, Reads, "the last id", func(context.Context) error { return nil })
}

// Runs puts a gate in front of the knowledge of other runs.
type Runs struct {
	rebuild.Runs
	Gate Gate
}

// Running implements rebuild.Runs.
func (r Runs) Running(ctx context.Context, runID string) (bool, error) {
	return ask(ctx, r.Gate, "running "+runID, func(ctx context.Context) (bool, error) { return r.Runs.Running(ctx, runID) })
}
