package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
)

// Store is the event store of a standby.
type Store interface {
	eventlog.Store
	LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error)
	// AppendAll appends what f adds in one transaction: all of it, or none if f or an add fails.
	AppendAll(ctx context.Context, f func(add func(stream string, expected uint64, events []event.Event) error) error) error
}

// Standby builds an event store and a log from a place. Nothing else may write to them. A call may be repeated
// after a crash at any moment. It is safe for concurrent use.
type Standby struct {
	Place  eventlog.Blobs
	Events Store
	Ledger eventlog.Ledger
	Blobs  eventlog.Blobs
	Now    func() time.Time
	NewID  func() string
	// Took is told up to which event the store is in the log after each segment; may be nil.
	Took func(context.Context, eventstore.Mark) error

	working sync.Mutex // held while it takes a segment in

	mu    sync.Mutex
	level time.Time // when the last look began that found nothing more
}

// Level returns when the last look at the place began that found nothing more to take in; zero if there was none.
func (s *Standby) Level() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.level
}

// CatchUp takes in everything that the place has.
func (s *Standby) CatchUp(ctx context.Context) error {
	for {
		more, err := s.Step(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// Step takes the next segment in. It returns false if there is none.
func (s *Standby) Step(ctx context.Context) (more bool, err error) {
	s.working.Lock()
	defer s.working.Unlock()
	began := s.Now()
	head, err := s.Ledger.Head(ctx)
	if err != nil {
		return false, err
	}
	m, err := readEntry(ctx, s.Place, head.Number+1)
	if errors.Is(err, eventlog.ErrNoBlob) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.level = began
		return false, nil
	}
	if err == nil {
		err = head.CheckNext(&m)
	}
	if err == nil {
		err = s.take(ctx, &m)
	}
	if err != nil {
		return false, fmt.Errorf("taking in segment %d: %w", head.Number+1, err)
	}
	return true, nil
}

// take adds a segment to the event store and then to the log.
func (s *Standby) take(ctx context.Context, m *eventlog.Manifest) error {
	data, err := readSegment(ctx, s.Place, m)
	if err != nil {
		return err
	}
	events, err := eventsOf(data, m)
	if err == nil {
		err = s.Blobs.Put(ctx, m.Key, data)
	}
	if err == nil {
		err = s.append(ctx, events)
	}
	if err != nil {
		return err
	}
	mark, err := s.commit(ctx, m, events)
	if err == nil {
		err = eventlog.PutManifest(ctx, s.Blobs, m)
	}
	if err == nil && s.Took != nil {
		err = s.Took(ctx, mark)
	}
	return err
}

// append appends the events that the store lacks.
func (s *Standby) append(ctx context.Context, events []event.Event) error {
	err := s.appendAll(ctx, events)
	if !errors.Is(err, eventstore.ErrConflict) {
		return err
	}
	left, err := s.lacking(ctx, events)
	if err == nil {
		err = s.appendAll(ctx, left)
	}
	if errors.Is(err, eventstore.ErrConflict) {
		err = fmt.Errorf("%w: the log does not follow on its events", eventstore.ErrOtherStore)
	}
	return err
}

func (s *Standby) appendAll(ctx context.Context, events []event.Event) error {
	return s.Events.AppendAll(ctx, func(add func(string, uint64, []event.Event) error) error {
		for start := 0; start < len(events); {
			end := start + 1
			for end < len(events) && end-start < eventstore.MaxAppend && events[end].Stream == events[start].Stream && events[end].Version == events[end-1].Version+1 {
				end++
			}
			if err := add(events[start].Stream, events[start].Version-1, events[start:end:end]); err != nil {
				return err
			}
			start = end
		}
		return nil
	})
}

// lacking returns those events that are not in the store. One with another event in its place is
// eventstore.ErrOtherStore.
func (s *Standby) lacking(ctx context.Context, events []event.Event) ([]event.Event, error) {
	versions := map[string]map[uint64]string{}
	var streams []string
	for i := range events {
		if name := events[i].Stream; versions[name] == nil {
			versions[name] = map[uint64]string{}
			streams = append(streams, name)
		}
	}
	stored, err := s.Events.LoadMany(ctx, streams)
	if err != nil {
		return nil, err
	}
	for name, history := range stored {
		for i := range history {
			versions[name][history[i].Version] = history[i].ID
		}
	}
	var left []event.Event
	for i := range events {
		e := &events[i]
		id, there := versions[e.Stream][e.Version]
		switch {
		case !there:
			versions[e.Stream][e.Version] = e.ID // the log may have it twice
			left = append(left, *e)
		case id != e.ID:
			return nil, fmt.Errorf("%w: version %d of %s is %s, in the log it is %s", eventstore.ErrOtherStore, e.Version, e.Stream, id, e.ID)
		}
	}
	return left, nil
}

// commit adds a manifest to the ledger. Its claim names the events of the store that the segment has, so that an
// archiver goes on after them. A segment that repeats events has no such claim.
func (s *Standby) commit(ctx context.Context, m *eventlog.Manifest, events []event.Event) (eventstore.Mark, error) {
	end, err := s.Events.Head(ctx)
	if err != nil {
		return eventstore.Mark{}, err
	}
	last, err := s.Events.MarkAfter(ctx, end-1, 1)
	if err != nil {
		return last, err
	}
	if count := uint64(len(events)); count <= end {
		first, err := s.Events.MarkAfter(ctx, end-count, 1)
		if err != nil {
			return last, err
		}
		if first.ID == events[0].ID {
			err := s.Ledger.Commit(ctx, eventlog.Commit{Manifest: *m, Source: first.String(), Records: len(events)})
			if errors.Is(err, eventlog.ErrClaimed) { // by a call whose response was lost
				err = nil
			}
			return last, err
		}
	}
	return last, s.Ledger.Restore(ctx, []eventlog.Manifest{*m})
}
