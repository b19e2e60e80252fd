package projection

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/retry"
	"gakushoku/internal/model"
)

// HealRetries bounds the tries of one heal. Each lost try means that another writer has just written the row,
// so a few are enough; after that the delivery is repeated later.
var HealRetries = retry.Policy{Tries: 10, First: 2 * time.Millisecond, Longest: 128 * time.Millisecond, Jitter: 0.5}

// Heal folds these streams from the event store and writes the rows that differ: stale ones and wrong ones.
// It makes delivery right when events come out of order; operators use it to repair rows and to retry parked
// streams. It skips streams that the projection does not fold, so a caller may name any stream. It leaves a
// row alone that is ahead of its stream, and logs it: the event store has then lost events, and the row is
// all that remains of them.
func (p *Projector) Heal(ctx context.Context, d model.Projection, t Table, streams []string) error {
	return p.heal(ctx, d, t, streams, (*Record).Ahead)
}

// Empty resets the rows of streams that have no events and removes their contributions from the totals. The
// caller must first ensure that the event store has not lost the events.
func (p *Projector) Empty(ctx context.Context, d model.Projection, t Table, streams []string) error {
	return p.heal(ctx, d, t, streams, func(r *Record, history []event.Event) bool { return len(history) > 0 && r.Ahead(history) })
}

// heal heals streams, except those whose row ahead says to leave alone.
func (p *Projector) heal(ctx context.Context, d model.Projection, t Table, streams []string, ahead func(*Record, []event.Event) bool) error {
	streams = slices.DeleteFunc(slices.Clone(streams), func(s string) bool { return !d.Folds(s) })
	for part := range slices.Chunk(streams, MaxWrite) {
		countHealed(ctx, d, part)
		err := retry.Do(ctx, cmp.Or(p.Retries, HealRetries), func() (again bool, err error) {
			if part, err = p.healOnce(ctx, d, t, part, ahead); err != nil {
				return false, fmt.Errorf("healing: %w", err)
			}
			if len(part) == 0 {
				return false, nil
			}
			return true, fault.Unavailable(fmt.Errorf("healing %d streams of %s: others kept writing them", len(part), t))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// healOnce tries each stream once and returns those whose row was changed meanwhile.
func (p *Projector) healOnce(ctx context.Context, d model.Projection, t Table, streams []string, ahead func(*Record, []event.Event) bool) ([]string, error) {
	// Read the rows before the streams. A stream then has every event that its row reflects, so a row that is
	// ahead shows a loss and not a race.
	records, err := p.Tables.Records(ctx, t, streams)
	if err != nil {
		return nil, err
	}
	histories, err := p.Streams.LoadMany(ctx, streams)
	if err != nil {
		return nil, err
	}
	var changes []Change
	for _, stream := range streams {
		record := records[stream]
		record.Stream = stream
		if ahead(&record, histories[stream]) {
			logAhead(ctx, t, &record, histories[stream])
			continue
		}
		change, changed, err := p.refold(ctx, d, t, record, histories[stream])
		if err != nil {
			return nil, err
		}
		if changed {
			changes = append(changes, change)
		}
	}
	if len(changes) == 0 {
		return nil, nil
	}
	return p.put(ctx, d, t, changes)
}

// Ahead reports whether a row reflects more events than its stream has. The stream must have been read after
// the row; it may have no events.
func (r *Record) Ahead(history []event.Event) bool {
	if len(history) == 0 {
		return r.Version > 0 || r.Parked != nil
	}
	return r.Version > history[len(history)-1].Version
}

// refold folds a stream from its beginning and returns what must be written.
func (p *Projector) refold(ctx context.Context, d model.Projection, t Table, stored Record, history []event.Event) (Change, bool, error) {
	f, err := StartFolding(d, stored)
	if err != nil {
		if stored.Parked != nil {
			return Change{}, false, nil
		}
		logUnreadable(ctx, t, &stored, err)
		return unreadable(stored, err, event.InstantOf(p.Now())), true, nil
	}
	f.Refold(history, event.InstantOf(p.Now()))
	switch {
	case f.Parked != nil:
		logStep(ctx, t, &history[f.Version], SetAside, f.Parked)
	case len(history) > 0 && f.Version != history[len(history)-1].Version:
		return Change{}, false, fmt.Errorf("stream %s lacks version %d in the event store", stored.Stream, f.Version+1)
	}
	change, changed := f.Change()
	if changed {
		logHealed(ctx, t, &stored, &change)
	}
	return change, changed, nil
}

// unreadable parks a stream whose stored row cannot be decoded. The row's contribution to totals is then
// unknown, so writing the row again would make them wrong: only a rebuild helps, and the reason says so.
func unreadable(stored Record, cause error, now event.Instant) Change {
	changed := stored
	changed.Parked = &Parked{EventVersion: stored.Version, Reason: cause.Error() + ": rebuild the projection", Since: now, Attempts: 1}
	return Change{Record: changed, Expected: stored.Writes}
}
