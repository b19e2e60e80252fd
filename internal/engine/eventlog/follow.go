package eventlog

import (
	"context"
	"fmt"
	"time"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/observe"
)

// Store is an event store that numbers its events densely from 1, in the order of appends. Where events were
// deleted, which only happens to events of the log, numbers are missing; they are not used again.
type Store interface {
	// Since returns at most limit events after the one at a mark, in the order of numbers, and the mark of
	// the last one, or m if there is none. It ends where a number is missing, so that the events have the
	// numbers up to that of the mark. It fails as Holds does.
	Since(ctx context.Context, m eventstore.Mark, limit int) ([]event.Event, eventstore.Mark, error)
	// Head returns the number of the newest event.
	Head(ctx context.Context) (uint64, error)
	// Holds fails with eventstore.ErrOtherStore if the event at a mark is another one, or comes after the
	// newest.
	Holds(ctx context.Context, m eventstore.Mark) error
	// MarkAfter returns the mark of the count-th number after the given one, without an id if its event was
	// deleted. It fails with eventstore.ErrOtherStore if the store has fewer, since the caller knows that they
	// existed.
	MarkAfter(ctx context.Context, number uint64, count int) (eventstore.Mark, error)
}

// Position remembers how far a store has been archived: the mark of the last event that is in
// the log. It may lag behind.
type Position interface {
	Archived(ctx context.Context) (eventstore.Mark, error)
	SetArchived(ctx context.Context, m eventstore.Mark) error
}

// Follower archives a store's events as they come. It is the embedded archiver; on AWS the stream's event
// source mapping does its work. Several followers of one store, in one process or many, share the work. It
// is safe for concurrent use.
type Follower struct {
	Store    Store
	Appended func() <-chan struct{} // closed at the next append of this process
	Position Position
	Archiver *Archiver
	// Events and Bytes bound a segment, Bytes by about one event; 0 is the default.
	Events, Bytes int
	// Linger is how long events wait for others, so that quiet times do not make thousands of
	// small segments. A full segment does not wait.
	Linger time.Duration
	Poll   time.Duration // how often to look for appends of other processes
}

// The default bounds of a segment: a partition worker reads a sixteenth of one at a time.
const (
	DefaultSegmentEvents = 30_000
	DefaultSegmentBytes  = 12 << 20
)

const (
	followPage     = 500 // events read at once
	lingerSteps    = 8   // how often to check whether a segment is full while events linger
	envelopeBytes  = 300 // roughly the size of an event in the log without its payload
	maxFollowPause = 5 * time.Second
)

// Run archives until ctx ends. It logs failures of the store, ledger or disk and tries again for as long as
// it takes; it skips no event.
func (f *Follower) Run(ctx context.Context) error {
	pause := time.Duration(0)
	for ctx.Err() == nil {
		err := f.round(ctx)
		switch {
		case err == nil:
			pause = 0
		case ctx.Err() == nil:
			pause = min(max(2*pause, 50*time.Millisecond), maxFollowPause)
			observe.Logger(ctx).Error().Err(err).Str(observe.FieldErrorClass, string(fault.ClassOf(err))).Dur("retryMs", pause).Msg("archive:delayed")
			wait.For(ctx, pause) //nolint:errcheck // the loop looks
		}
	}
	return nil
}

// round waits for events, lets them linger, and archives one segment.
func (f *Follower) round(ctx context.Context) error {
	appended := f.Appended()
	waiting, err := f.Waiting(ctx)
	if err != nil {
		return err
	}
	if waiting == 0 {
		timer := time.NewTimer(f.Poll)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-appended:
		case <-timer.C:
		}
		return ctx.Err()
	}
	for step := 0; step < lingerSteps && waiting < uint64(f.maxEvents()); step++ {
		if err := wait.For(ctx, f.Linger/lingerSteps); err != nil {
			return err
		}
		if waiting, err = f.Waiting(ctx); err != nil {
			return err
		}
	}
	_, err = f.Once(ctx)
	return err
}

func (f *Follower) maxEvents() int {
	if f.Events > 0 {
		return f.Events
	}
	return DefaultSegmentEvents
}

// Waiting returns how many events of the store are not known to be in the log.
func (f *Follower) Waiting(ctx context.Context) (uint64, error) {
	archived, head, err := f.ends(ctx)
	return head - archived.Number, err
}

// ends returns how far the store is known to be archived, and its end.
func (f *Follower) ends(ctx context.Context) (archived eventstore.Mark, head uint64, err error) {
	if archived, err = f.Position.Archived(ctx); err != nil {
		return eventstore.Mark{}, 0, err
	}
	if err := f.Store.Holds(ctx, archived); err != nil {
		return eventstore.Mark{}, 0, fmt.Errorf("looking for the last event that is in the log: %w", err)
	}
	if archived.Number > 0 {
		log, err := f.Archiver.Ledger.Head(ctx)
		if err == nil && log.Number == 0 {
			err = fmt.Errorf("%w: it is empty, though the events up to %d of the store were archived", ErrLedgerBehind, archived.Number)
		}
		if err != nil {
			return eventstore.Mark{}, 0, err
		}
	}
	if head, err = f.Store.Head(ctx); err != nil {
		return eventstore.Mark{}, 0, err
	}
	return archived, head, nil
}

// CatchUp archives everything that is in the store now.
func (f *Follower) CatchUp(ctx context.Context) error {
	archived, head, err := f.ends(ctx)
	for number := archived.Number; err == nil && number < head; {
		number, err = f.Once(ctx)
	}
	return err
}

// Once archives the next segment, if there are events for one. It returns the number up to which the store
// is in the log now.
func (f *Follower) Once(ctx context.Context) (uint64, error) {
	archived, head, err := f.ends(ctx)
	if err != nil || archived.Number == head {
		return archived.Number, err
	}
	batch, before, err := f.next(ctx, archived)
	if err != nil {
		return archived.Number, fmt.Errorf("reading events to archive: %w", err)
	}
	committed, err := f.Archiver.Commit(ctx, batch)
	if err != nil {
		return archived.Number, err
	}
	done, err := f.Store.MarkAfter(ctx, before, committed.Records)
	if err != nil {
		return archived.Number, err
	}
	others, err := f.Position.Archived(ctx)
	if err == nil && others.Number < done.Number {
		err = f.Position.SetArchived(ctx, done)
	}
	return max(done.Number, others.Number), err
}

// next reads a segment's events after a mark, and the number before the first. A record's source is the event's
// number and id: when the store is replaced by an older copy of itself, the same numbers come again for other
// events. A segment ends where a number is missing, since a claim counts numbers.
func (f *Follower) next(ctx context.Context, after eventstore.Mark) (batch []Record, before uint64, err error) {
	maxBytes := f.Bytes
	if maxBytes <= 0 {
		maxBytes = DefaultSegmentBytes
	}
	for size, count, from := 0, f.maxEvents(), after; len(batch) < count; {
		limit := min(followPage, count-len(batch))
		events, last, err := f.Store.Since(ctx, from, limit)
		if err != nil {
			return nil, 0, err
		}
		first := last.Number - uint64(len(events)) // the number before the first of these
		if len(batch) == 0 {
			before = first
		}
		if first != before+uint64(len(batch)) {
			return batch, before, nil
		}
		for i := range events {
			e := &events[i]
			number := first + uint64(i) + 1
			batch = append(batch, Record{Source: eventstore.Mark{Number: number, ID: e.ID}.String(), Event: *e})
			if size += len(e.Payload) + envelopeBytes; size >= maxBytes {
				return batch, before, nil
			}
		}
		if len(events) < limit {
			break
		}
		from = last
	}
	return batch, before, nil
}
