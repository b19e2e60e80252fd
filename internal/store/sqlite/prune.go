package sqlite

import (
	"context"
	"fmt"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
)

var _ eventstore.Pruner = (*Events)(nil)

// Positions of deleted events are not used again, since the last event of all is never deleted. Events that
// are put back get positions below 1, which no reader of the feed asks for.
const (
	deleteEvents = "DELETE FROM events WHERE stream = ? AND version <= ?"
	firstPlace   = "SELECT min(coalesce(min(position), 1), 1) FROM events"
	putBack      = "INSERT INTO events (position, stream, version, envelope, payload, appended) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (stream, version) DO NOTHING"
)

// Prune implements eventstore.Pruner, in one transaction.
func (s *Events) Prune(ctx context.Context, cuts []eventstore.Cut) (deleted int, err error) {
	err = s.transact(ctx, func(w *eventWriter) error {
		for _, c := range cuts {
			var last int64
			if err := s.lastVersion.QueryRow(c.Stream).Scan(&last); err != nil {
				return w.fail(err)
			}
			if last <= int64(c.Through) {
				return fmt.Errorf("deleting events of %s: it ends at version %d, so those up to %d cannot go", c.Stream, last, c.Through)
			}
			result, err := s.db.write.ExecContext(context.Background(), deleteEvents, c.Stream, int64(c.Through))
			if err != nil {
				return w.fail(err)
			}
			n, err := result.RowsAffected()
			if err != nil {
				return w.fail(err)
			}
			deleted += int(n)
		}
		w.changed = deleted > 0
		return ctx.Err()
	})
	if err != nil {
		return 0, err
	}
	return deleted, nil
}

// PutBack implements eventstore.Pruner, in one transaction.
func (s *Events) PutBack(ctx context.Context, stream string, events []event.Event) error {
	stored := make([]storedEvent, len(events))
	for i := range events {
		e := events[i]
		e.Stream = stream
		var err error
		if stored[i], err = encode(&e); err != nil {
			return fmt.Errorf("putting back %s: %w", stream, err)
		}
	}
	return s.transact(ctx, func(w *eventWriter) error {
		var place int64
		if err := s.db.write.QueryRowContext(context.Background(), firstPlace).Scan(&place); err != nil {
			return w.fail(err)
		}
		for i, e := range stored {
			place--
			if _, err := s.db.write.ExecContext(context.Background(), putBack, place, stream, int64(events[i].Version), e.envelope, e.payload, w.now); err != nil {
				return w.fail(err)
			}
		}
		w.changed = true
		return ctx.Err()
	})
}
