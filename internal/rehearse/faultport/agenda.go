package faultport

import (
	"context"
	"fmt"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
)

// Agenda puts a gate in front of the tasks of table versions.
type Agenda struct {
	projection.Agenda
	Gate Gate
}

// Due implements projection.Agenda.
func (s Agenda) Due(ctx context.Context, t projection.Table, until event.Instant, cursor string, limit int) ([]projection.Record, string, error) {
	return turn(ctx, s.Gate, fmt.Sprintf("due %s until %s after %q", t, until, cursor), func(ctx context.Context) ([]projection.Record, string, error) {
		return s.Agenda.Due(ctx, t, until, cursor, limit)
	})
}

// Stuck implements projection.Agenda.
func (s Agenda) Stuck(ctx context.Context, t projection.Table, cursor string, limit int) ([]projection.Record, string, error) {
	return turn(ctx, s.Gate, fmt.Sprintf("stuck %s after %q", t, cursor), func(ctx context.Context) ([]projection.Record, string, error) {
		return s.Agenda.Stuck(ctx, t, cursor, limit)
	})
}

// OldestDue implements projection.Agenda.
func (s Agenda) OldestDue(ctx context.Context, t projection.Table) (event.Instant, error) {
	return ask(ctx, s.Gate, "oldest due "+t.String(), func(ctx context.Context) (event.Instant, error) { return s.Agenda.OldestDue(ctx, t) })
}

// SetTried implements projection.Agenda.
func (s Agenda) SetTried(ctx context.Context, t projection.Table, row projection.Record, tried projection.Tried) (set bool, err error) {
	err = tell(ctx, s.Gate, Writes, fmt.Sprintf("tried %s %s@%d %d", t, row.Stream, row.Version, tried.Attempts), func(ctx context.Context) error {
		set, err = s.Agenda.SetTried(ctx, t, row, tried)
		return err
	})
	return set && err == nil, err
}
