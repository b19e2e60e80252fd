package memory

import (
	"context"
	"fmt"

	"gakushoku/internal/engine/eventio"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
)

var (
	_ eventlog.Store = (*Events)(nil)
	_ eventio.Target = (*Events)(nil)
)

// Read implements eventstore.Feed. The cursor is the mark of the last event read; if the store does not have
// that event, the error is eventstore.ErrOtherStore.
func (s *Events) Read(ctx context.Context, cursor string, limit int) ([]event.Event, string, error) {
	mark, err := eventstore.ParseMark(cursor)
	if err != nil {
		return nil, "", fmt.Errorf("reading the feed: %w", err)
	}
	events, mark, err := s.Since(ctx, mark, limit)
	if err != nil {
		return nil, cursor, fmt.Errorf("reading the feed: %w", err)
	}
	return events, mark.String(), nil
}

// Since implements eventlog.Store.
func (s *Events) Since(ctx context.Context, m eventstore.Mark, limit int) ([]event.Event, eventstore.Mark, error) {
	if limit < 1 {
		return nil, m, fmt.Errorf("reading events: a page of %d makes no sense", limit)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.holds(ctx, m); err != nil {
		return nil, m, err
	}
	var events []event.Event
	for _, e := range s.log[m.Number:min(m.Number+uint64(limit), uint64(len(s.log)))] {
		events = append(events, cloneEvent(e))
	}
	if len(events) == 0 {
		return nil, m, nil
	}
	return events, s.mark(m.Number + uint64(len(events))), nil
}

// Head implements eventlog.Store.
func (s *Events) Head(ctx context.Context) (uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return uint64(len(s.log)), ctx.Err()
}

// Holds implements eventlog.Store.
func (s *Events) Holds(ctx context.Context, m eventstore.Mark) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.holds(ctx, m)
}

func (s *Events) holds(ctx context.Context, m eventstore.Mark) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case m.Number > uint64(len(s.log)):
		return fmt.Errorf("%w: it ends at event %d, event %d was read before", eventstore.ErrOtherStore, len(s.log), m.Number)
	case m.Number > 0 && m.ID != "" && s.log[m.Number-1].ID != m.ID:
		return fmt.Errorf("%w: event %d is %s, it was %s", eventstore.ErrOtherStore, m.Number, s.log[m.Number-1].ID, m.ID)
	}
	return nil
}

// MarkAfter implements eventlog.Store.
func (s *Events) MarkAfter(ctx context.Context, number uint64, count int) (eventstore.Mark, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if number+uint64(count) > uint64(len(s.log)) {
		return eventstore.Mark{}, fmt.Errorf("%w: it has fewer than %d events after event %d", eventstore.ErrOtherStore, count, number)
	}
	return s.mark(number + uint64(count)), ctx.Err()
}

func (s *Events) mark(number uint64) eventstore.Mark {
	return eventstore.Mark{Number: number, ID: s.log[number-1].ID}
}

// AppendAll implements eventio.Target.
func (s *Events) AppendAll(ctx context.Context, f func(add func(stream string, expected uint64, events []event.Event) error) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.log)
	err := f(func(stream string, expected uint64, events []event.Event) error {
		return s.append(ctx, stream, expected, events)
	})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		s.cut(before)
	}
	return err
}

// cut removes the events after a number.
func (s *Events) cut(number int) {
	for i := len(s.log) - 1; i >= number; i-- {
		stream := s.log[i].Stream
		if s.streams[stream] = s.streams[stream][:len(s.streams[stream])-1]; len(s.streams[stream]) == 0 {
			delete(s.streams, stream)
		}
	}
	s.log = s.log[:number:number]
}

// EachID implements eventio.Target.
func (s *Events) EachID(ctx context.Context, f func(id, stream string, version uint64) error) error {
	s.mu.RLock()
	all := s.log
	s.mu.RUnlock()
	for i := range all {
		if err := f(all[i].ID, all[i].Stream, all[i].Version); err != nil {
			return err
		}
	}
	return ctx.Err()
}
