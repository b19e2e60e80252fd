package faultport

import (
	"context"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
)

// Unconditional is a mistake that tests must notice: it writes rows whatever is there, without compare-and-set.
type Unconditional struct{ projection.Tables }

// Write implements projection.Tables.
func (m Unconditional) Write(ctx context.Context, t projection.Table, changes []projection.Change) ([]string, error) {
	for i := range changes {
		current, err := m.Records(ctx, t, []string{changes[i].Stream})
		if err != nil {
			return nil, err
		}
		changes[i].Expected = current[changes[i].Stream].Writes
	}
	return m.Tables.Write(ctx, t, changes)
}

// GrowingTotals is a mistake: it adds to totals what a row contributes now, but does not take back what it
// contributed before.
type GrowingTotals struct{ projection.Tables }

// Write implements projection.Tables.
func (m GrowingTotals) Write(ctx context.Context, t projection.Table, changes []projection.Change) ([]string, error) {
	for i := range changes {
		kept := changes[i].Totals[:0]
		for _, c := range changes[i].Totals {
			if c.Amount > 0 {
				kept = append(kept, c)
			}
		}
		changes[i].Totals = kept
	}
	return m.Tables.Write(ctx, t, changes)
}

// Stale is a mistake: it reads streams without their newest event, as an eventually consistent read may.
type Stale struct{ eventstore.Loader }

// LoadMany implements eventstore.Loader.
func (m Stale) LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error) {
	all, err := m.Loader.LoadMany(ctx, streams)
	for name, events := range all {
		all[name] = events[:len(events)-1]
	}
	return all, err
}
