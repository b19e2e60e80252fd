package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
)

// Read implements eventstore.Feed: events in the order of their numbers. The cursor is the mark of the last
// event read. If the store does not have that event, Read fails with eventstore.ErrOtherStore: a reader that
// is ahead of the store would wait forever and miss new events.
func (s *Events) Read(ctx context.Context, cursor string, limit int) ([]event.Event, string, error) {
	mark, err := eventstore.ParseMark(cursor)
	if err != nil {
		return nil, "", fmt.Errorf("reading the feed: %w", err)
	}
	events, mark, err := s.Since(ctx, mark, limit)
	if err != nil {
		return nil, cursor, fmt.Errorf("reading the feed: %w", err)
	}
	if len(events) == 0 {
		return nil, cursor, nil
	}
	return events, mark.String(), nil
}

// Since returns at most limit events after the one at a mark, in the order of their numbers, and the mark of
// the last one, or m if there is none. It fails with eventstore.ErrOtherStore if the event at m is missing,
// or is another one.
func (s *Events) Since(ctx context.Context, m eventstore.Mark, limit int) ([]event.Event, eventstore.Mark, error) {
	if err := checkLimit(limit); err != nil {
		return nil, m, fmt.Errorf("reading events: %w", err)
	}
	return s.beginningWith(ctx, m, limit)
}

// Holds fails with eventstore.ErrOtherStore if the event at a mark is missing, or is another one.
func (s *Events) Holds(ctx context.Context, m eventstore.Mark) error {
	_, _, err := s.beginningWith(ctx, m, 0)
	return err
}

// beginningWith reads the event at a mark, which must be there, and up to limit events after it. It returns
// the latter, and the mark of the last event read.
func (s *Events) beginningWith(ctx context.Context, m eventstore.Mark, limit int) ([]event.Event, eventstore.Mark, error) {
	if m.Number > 0 {
		limit++
	}
	rows, err := s.from.QueryContext(ctx, int64(min(m.Number, event.MaxVersion)), limit)
	var at numbers
	events, err := readEvents(rows, err, 0, &at)
	if err != nil {
		return nil, m, s.db.failed(ctx, "reading events", err)
	}
	if m.Number > 0 {
		if err := s.wantMarked(ctx, m, events, at); err != nil {
			return nil, m, err
		}
		events, at = events[1:], at[1:]
	}
	if len(events) == 0 {
		return nil, m, nil
	}
	return events, markOfLast(events, at), nil
}

// wantMarked checks that the first event is that of a mark.
func (s *Events) wantMarked(ctx context.Context, m eventstore.Mark, events []event.Event, at numbers) error {
	if len(at) > 0 && at[0] == m.Number {
		if found := events[0].ID; m.ID != "" && m.ID != found {
			return fmt.Errorf("%w: event %d of %s is %s, it was %s", eventstore.ErrOtherStore, m.Number, s.db.path, found, m.ID)
		}
		return nil
	}
	head, err := s.Head(ctx)
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: event %d is not in %s, which ends at event %d", eventstore.ErrOtherStore, m.Number, s.db.path, head)
}

// MarkAfter returns the mark of the count-th event after the one with the given number. If there are fewer
// events, it fails with eventstore.ErrOtherStore, since the caller knows that they existed.
func (s *Events) MarkAfter(ctx context.Context, number uint64, count int) (eventstore.Mark, error) {
	rows, err := s.nth.QueryContext(ctx, int64(min(number, event.MaxVersion)), count-1)
	var at numbers
	events, err := readEvents(rows, err, 0, &at)
	if err != nil {
		return eventstore.Mark{}, s.db.failed(ctx, fmt.Sprintf("reading event %d after %d", count, number), err)
	}
	if len(events) == 0 {
		return eventstore.Mark{}, fmt.Errorf("%w: %s has fewer than %d events after event %d", eventstore.ErrOtherStore, s.db.path, count, number)
	}
	return markOfLast(events, at), nil
}

func markOfLast(events []event.Event, at numbers) eventstore.Mark {
	last := len(events) - 1
	return eventstore.Mark{Number: at[last], ID: events[last].ID}
}

// EachID calls f with the id, stream and version of every event.
func (s *Events) EachID(ctx context.Context, f func(id, stream string, version uint64) error) error {
	what := "reading the ids of events"
	rows, err := s.db.read.QueryContext(ctx, "SELECT envelope FROM events")
	if err != nil {
		return s.db.failed(ctx, what, err)
	}
	defer rows.Close()
	var envelope sql.RawBytes
	var e event.Event
	for rows.Next() {
		if err := rows.Scan(&envelope); err != nil {
			return s.db.failed(ctx, what, err)
		}
		if err := event.Decode(envelope, &e); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if err := f(e.ID, e.Stream, e.Version); err != nil {
			return err
		}
	}
	return s.db.failed(ctx, what, rows.Err())
}

// Head returns the number of the newest event, 0 if there is none.
func (s *Events) Head(ctx context.Context) (uint64, error) {
	var head int64
	err := s.head.QueryRowContext(ctx).Scan(&head)
	return uint64(head), s.db.failed(ctx, "reading the number of the newest event", err)
}

// NumberOf returns the number of an event; 0 if it is not there.
func (s *Events) NumberOf(ctx context.Context, stream string, version uint64) (uint64, error) {
	var number int64
	err := s.position.QueryRowContext(ctx, stream, int64(min(version, event.MaxVersion))).Scan(&number)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, ctx.Err()
	}
	return uint64(number), s.db.failed(ctx, "reading the number of an event", err)
}

// LastOf returns the number of the newest event of all streams whose names begin with prefix; 0 if there is none.
func (s *Events) LastOf(ctx context.Context, prefix string) (uint64, error) {
	var last int64
	const upTo = "\U0010FFFF" // no character comes after it
	err := s.db.read.QueryRowContext(ctx, "SELECT COALESCE(MAX(position), 0) FROM events WHERE stream > ? AND stream < ?", prefix, prefix+upTo).Scan(&last)
	return uint64(last), s.db.failed(ctx, "reading the number of the newest event of "+prefix, err)
}

// AppendedAt returns when the event with the given number was appended; false if there is none.
func (s *Events) AppendedAt(ctx context.Context, number uint64) (at time.Time, found bool, err error) {
	var ms int64
	err = s.appended.QueryRowContext(ctx, int64(min(number, event.MaxVersion))).Scan(&ms)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, false, nil
	}
	return time.UnixMilli(ms), err == nil, s.db.failed(ctx, "reading when an event was appended", err)
}

// Appended returns a channel that is closed at the next commit of this process. Take it before reading the
// feed, and wait for it afterwards: then no event is missed. Appends of other processes do not close it.
func (s *Events) Appended() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.awake
}

// wake wakes all that wait for Appended.
func (s *Events) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.awake)
	s.awake = make(chan struct{})
}
