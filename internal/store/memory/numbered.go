package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"gakushoku/internal/engine/eventio"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
)

var (
	_ eventlog.Store = (*Events)(nil)
	_ eventio.Target = (*Events)(nil)

	_ eventstore.Pruner = (*Events)(nil)
)

// Read implements eventstore.Feed. The cursor is the mark of the last event read; if the store does not have
// that event, the error is eventstore.ErrOtherStore.
func (s *Events) Read(ctx context.Context, cursor string, limit int) ([]event.Event, string, error) {
	mark, err := eventstore.ParseMark(cursor)
	if err != nil {
		return nil, "", fmt.Errorf("reading the feed: %w", err)
	}
	if limit < 1 {
		return nil, cursor, fmt.Errorf("reading the feed: a page of %d makes no sense", limit)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.holds(ctx, mark); err != nil {
		return nil, cursor, fmt.Errorf("reading the feed: %w", err)
	}
	var events []event.Event
	for at := mark.Number; at < uint64(len(s.log)) && len(events) < limit; at++ {
		if s.log[at].ID != "" {
			events, mark = append(events, cloneEvent(s.log[at])), s.mark(at+1)
		}
	}
	if len(events) == 0 {
		return nil, cursor, nil
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
	for at := m.Number; at < uint64(len(s.log)) && len(events) < limit; at++ {
		switch {
		case s.log[at].ID != "":
			events, m = append(events, cloneEvent(s.log[at])), s.mark(at+1)
		case len(events) > 0:
			return events, m, nil
		}
	}
	return events, m, nil
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
	case m.Number > 0 && m.ID != "" && s.log[m.Number-1].ID != "" && s.log[m.Number-1].ID != m.ID:
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
	for _, e := range s.log[number:] {
		s.remove(e.Stream, e.Version)
	}
	s.log = s.log[:number:number]
}

// remove deletes an event from its stream, if it is there.
func (s *Events) remove(stream string, version uint64) {
	at, there := s.at(stream, version)
	if !there {
		return
	}
	if s.streams[stream] = slices.Delete(s.streams[stream], at, at+1); len(s.streams[stream]) == 0 {
		delete(s.streams, stream)
	}
}

// Prune implements eventstore.Pruner.
func (s *Events) Prune(ctx context.Context, cuts []eventstore.Cut) (deleted int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range cuts {
		held := s.streams[c.Stream]
		if len(held) == 0 || held[len(held)-1].Version <= c.Through {
			return deleted, fmt.Errorf("deleting events of %s: its last event cannot go", c.Stream)
		}
		for held[0].Version <= c.Through {
			if at := s.numbers[eventAt{c.Stream, held[0].Version}]; at >= 0 {
				s.log[at] = event.Event{}
			}
			s.remove(c.Stream, held[0].Version)
			held = s.streams[c.Stream]
			deleted++
		}
	}
	return deleted, ctx.Err()
}

// PutBack implements eventstore.Pruner.
func (s *Events) PutBack(ctx context.Context, stream string, events []event.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range events {
		own := cloneEvent(events[i])
		own.Stream = stream
		if _, there := s.at(stream, own.Version); there {
			continue
		}
		s.numbers[eventAt{stream, own.Version}] = -1 // not in the feed
		s.insert(own)
	}
	return ctx.Err()
}

// NumberOf returns the number of an event; 0 if it is not there, or was put back and so is not in the feed.
func (s *Events) NumberOf(ctx context.Context, stream string, version uint64) (uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if _, there := s.at(stream, version); !there {
		return 0, ctx.Err()
	}
	return uint64(s.numbers[eventAt{stream, version}] + 1), ctx.Err()
}

// EachID implements eventio.Target.
func (s *Events) EachID(ctx context.Context, f func(id, stream string, version uint64) error) error {
	for _, e := range s.all() {
		if err := f(e.ID, e.Stream, e.Version); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (s *Events) all() []event.Event {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []event.Event
	for _, stream := range slices.Sorted(maps.Keys(s.streams)) {
		all = append(all, s.streams[stream]...)
	}
	return all
}
