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

// Read is eventstore.Feed: events in the order of their numbers. The cursor is the mark of the
// last event read. A store that does not have that event is eventstore.ErrOtherStore: a reader that
// is ahead of it would wait for ever and miss what comes.
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

// Since returns the events after the one of a mark, in the order of their numbers, at most limit of
// them, and the mark of the last one, m when there is none. When the event of m is not there, or is
// another one, it fails with eventstore.ErrOtherStore.
func (s *Events) Since(ctx context.Context, m eventstore.Mark, limit int) ([]event.Event, eventstore.Mark, error) {
	if err := checkLimit(limit); err != nil {
		return nil, m, fmt.Errorf("reading events: %w", err)
	}
	return s.beginningWith(ctx, m, limit)
}

// Holds fails with eventstore.ErrOtherStore when the event of a mark is not there, or is another
// one.
func (s *Events) Holds(ctx context.Context, m eventstore.Mark) error {
	_, _, err := s.beginningWith(ctx, m, 0)
	return err
}

// beginningWith reads the event of a mark, which it wants to be there, and up to limit after it. It
// returns these, and the mark of the last of them all.
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

// wantMarked wants the first of some events to be that of a mark.
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

// MarkAfter marks the count-th event after the one with the given number, of those that are there.
// When there are fewer it is eventstore.ErrOtherStore: whoever asks knows that they were there.
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

// EachID calls f with the id and the place of every event.
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

// Head is the number of the newest event, 0 when there is none.
func (s *Events) Head(ctx context.Context) (uint64, error) {
	var head int64
	err := s.head.QueryRowContext(ctx).Scan(&head)
	return uint64(head), s.db.failed(ctx, "reading the number of the newest event", err)
}

// NumberOf is the number of an event; 0 when it is not there.
func (s *Events) NumberOf(ctx context.Context, stream string, version uint64) (uint64, error) {
	var number int64
	err := s.position.QueryRowContext(ctx, stream, int64(min(version, event.MaxVersion))).Scan(&number)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, ctx.Err()
	}
	return uint64(number), s.db.failed(ctx, "reading the number of an event", err)
}

// AppendedAt tells when the event with the given number was appended; false when there is none.
func (s *Events) AppendedAt(ctx context.Context, number uint64) (at time.Time, found bool, err error) {
	var ms int64
	err = s.appended.QueryRowContext(ctx, int64(min(number, event.MaxVersion))).Scan(&ms)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, false, nil
	}
	return time.UnixMilli(ms), err == nil, s.db.failed(ctx, "reading when an event was appended", err)
}

// Appended returns a channel that is closed at the next commit of this process. Take it
// before reading the feed, and wait for it after: then no event is missed. Appends of other
// processes do not show here.
func (s *Events) Appended() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.awake
}

// wake tells everybody who waits for Appended.
func (s *Events) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.awake)
	s.awake = make(chan struct{})
}
