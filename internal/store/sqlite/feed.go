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
	if err := checkLimit(limit); err != nil {
		return nil, "", fmt.Errorf("reading the feed: %w", err)
	}
	events, at, err := s.beginningWith(ctx, mark, limit)
	if err != nil {
		return nil, cursor, fmt.Errorf("reading the feed: %w", err)
	}
	if len(events) == 0 {
		return nil, cursor, nil
	}
	return events, markOfLast(events, at).String(), nil
}

// Since implements eventlog.Store.
func (s *Events) Since(ctx context.Context, m eventstore.Mark, limit int) ([]event.Event, eventstore.Mark, error) {
	if err := checkLimit(limit); err != nil {
		return nil, m, fmt.Errorf("reading events: %w", err)
	}
	events, at, err := s.beginningWith(ctx, m, limit)
	if err != nil || len(events) == 0 {
		return nil, m, err
	}
	dense := 1
	for dense < len(at) && at[dense] == at[0]+uint64(dense) {
		dense++
	}
	return events[:dense], markOfLast(events[:dense], at[:dense]), nil
}

// Holds implements eventlog.Store.
func (s *Events) Holds(ctx context.Context, m eventstore.Mark) error {
	_, _, err := s.beginningWith(ctx, m, 0)
	return err
}

// beginningWith checks that the event at a mark is there, or was deleted, and reads up to limit events after
// it with their numbers.
func (s *Events) beginningWith(ctx context.Context, m eventstore.Mark, limit int) ([]event.Event, numbers, error) {
	if m.Number > 0 {
		limit++
	}
	rows, err := s.from.QueryContext(ctx, int64(max(1, min(m.Number, event.MaxVersion))), limit)
	var at numbers
	events, err := readEvents(rows, err, 0, &at)
	if err != nil {
		return nil, nil, s.db.failed(ctx, "reading events", err)
	}
	if m.Number == 0 {
		return events, at, nil
	}
	if len(at) == 0 {
		return nil, nil, s.lacks(ctx, m)
	}
	if at[0] != m.Number { // retired: only such events are missing before the last one
		return events[:min(len(at), limit-1)], at[:min(len(at), limit-1)], nil
	}
	if found := events[0].ID; m.ID != "" && m.ID != found {
		return nil, nil, fmt.Errorf("%w: event %d of %s is %s, it was %s", eventstore.ErrOtherStore, m.Number, s.db.path, found, m.ID)
	}
	return events[1:], at[1:], nil
}

// lacks returns the error for a mark after the last event.
func (s *Events) lacks(ctx context.Context, m eventstore.Mark) error {
	head, err := s.Head(ctx)
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: event %d is not in %s, which ends at event %d", eventstore.ErrOtherStore, m.Number, s.db.path, head)
}

// MarkAfter implements eventlog.Store.
func (s *Events) MarkAfter(ctx context.Context, number uint64, count int) (eventstore.Mark, error) {
	m := eventstore.Mark{Number: number + uint64(count)}
	rows, err := s.from.QueryContext(ctx, int64(min(m.Number, event.MaxVersion)), 1)
	var at numbers
	events, err := readEvents(rows, err, 0, &at)
	switch {
	case err != nil:
		return eventstore.Mark{}, s.db.failed(ctx, fmt.Sprintf("reading event %d", m.Number), err)
	case len(events) == 0:
		return eventstore.Mark{}, fmt.Errorf("%w: %s has fewer than %d events after event %d", eventstore.ErrOtherStore, s.db.path, count, number)
	case at[0] == m.Number:
		m.ID = events[0].ID
	}
	return m, nil
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

// NumberOf returns the number of an event; 0 if it is not there, or was put back and so is not in the feed.
func (s *Events) NumberOf(ctx context.Context, stream string, version uint64) (uint64, error) {
	var number int64
	err := s.position.QueryRowContext(ctx, stream, int64(min(version, event.MaxVersion))).Scan(&number)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, ctx.Err()
	}
	return uint64(max(0, number)), s.db.failed(ctx, "reading the number of an event", err)
}

// LastOf returns the number of the newest event of all streams whose names begin with prefix; 0 if there is none.
func (s *Events) LastOf(ctx context.Context, prefix string) (uint64, error) {
	var last int64
	const upTo = "\U0010FFFF" // no character comes after it
	err := s.db.read.QueryRowContext(ctx, "SELECT COALESCE(MAX(position), 0) FROM events WHERE stream > ? AND stream < ?", prefix, prefix+upTo).Scan(&last)
	return uint64(last), s.db.failed(ctx, "reading the number of the newest event of "+prefix, err)
}

// AppendedAt returns when the first event with the given number or a larger one was appended; false if there
// is none.
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
