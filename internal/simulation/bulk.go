package simulation

import (
	"context"
	"fmt"

	"gakushoku/internal/projection"
)

// sink is how a worker of a rebuild fills a table version: as in DynamoDB each row is a write of
// its own, and the totals come last.
type sink struct {
	projection.Sink
	by *process
}

// PutPart is projection.Sink. Every row waits at the gate.
func (s sink) PutPart(ctx context.Context, t projection.Table, part projection.BulkPart) (int, error) {
	s.by.s.history.note(s.by.name, "puts %s into %s", part.Name, t)
	var lost error // the answer of the last write, which had its effect
	gated := part
	gated.Rows = func(yield func(projection.Record, error) bool) {
		more := true
		for r, err := range part.Rows {
			if err == nil {
				err = s.by.pass(ctx, administers, fmt.Sprintf("put %s %s@%d", t, r.Stream, r.Version), func(context.Context) error {
					more = yield(r, nil)
					return nil
				})
			}
			if more && err != nil {
				yield(projection.Record{}, err)
			}
			if !more || err != nil {
				return
			}
		}
		reached := false
		err := s.by.pass(ctx, administers, fmt.Sprintf("put %s totals of %s", t, part.Name), func(context.Context) error {
			reached = true
			return nil
		})
		if lost = err; err != nil && !reached {
			yield(projection.Record{}, err)
		}
	}
	// Only the gate may end it: a write that has passed has its effect.
	rows, err := s.Sink.PutPart(context.WithoutCancel(ctx), t, gated)
	if err == nil {
		err = lost
	}
	return rows, err
}

// Finish is projection.Sink.
func (s sink) Finish(ctx context.Context, t projection.Table) error {
	return s.by.pass(ctx, administers, "finish "+t.String(), func(ctx context.Context) error { return s.Sink.Finish(ctx, t) })
}

// rebuildTables is all that a rebuild needs of the read model's store.
type rebuildTables struct {
	tables
	projection.Sink
}

// snapshots is rebuildTables of a store that can show a table at one moment.
type snapshots struct {
	rebuildTables
	of projection.Snapshotter
}

func (s snapshots) Snapshot(ctx context.Context, t projection.Table) (shot projection.Snapshot, err error) {
	err = s.by.pass(ctx, reads, "snapshot "+t.String(), func(ctx context.Context) error {
		shot, err = s.of.Snapshot(ctx, t)
		return err
	})
	return shot, err
}
