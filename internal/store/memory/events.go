package memory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"unicode/utf8"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
)

// MaxEventBytes bounds the payload of one event, since the stores on disk have a limit too.
const MaxEventBytes = 400_000

// Events is an event store with its feed. Its zero value is empty and ready for use.
type Events struct {
	mu      sync.RWMutex
	streams map[string][]event.Event // by version; those that were deleted are missing
	log     []event.Event            // in the order of appends; a deleted event is the zero Event
	numbers map[eventAt]int          // indexes in log
	// Unchecked lets an append only fail if a version is taken, as in stores that would have to read to find out
	// more. Set it before the store is used.
	Unchecked bool
}

// eventAt is a place in a stream.
type eventAt struct {
	stream  string
	version uint64
}

var (
	_ eventstore.Store  = (*Events)(nil)
	_ eventstore.Feed   = (*Events)(nil)
	_ eventstore.Ranger = (*Events)(nil)
)

// NewEvents returns an empty event store.
func NewEvents() *Events { return &Events{} }

// Append implements eventstore.Appender. Expecting more events than there are is a conflict.
func (s *Events) Append(ctx context.Context, stream string, expected uint64, events []event.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.append(ctx, stream, expected, events)
}

func (s *Events) append(ctx context.Context, stream string, expected uint64, events []event.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := checkAppend(stream, events); err != nil {
		return fmt.Errorf("appending to %q: %w", stream, err)
	}
	if err := s.checkFree(stream, expected, len(events)); err != nil {
		return err
	}
	if s.streams == nil {
		s.streams, s.numbers = map[string][]event.Event{}, map[eventAt]int{}
	}
	for i := range events {
		events[i].Stream, events[i].Version = stream, expected+uint64(i)+1
		own := cloneEvent(events[i])
		s.numbers[eventAt{stream, own.Version}] = len(s.log)
		s.insert(own)
		s.log = append(s.log, own)
	}
	return nil
}

// checkFree fails with eventstore.ErrConflict unless events can follow a version.
func (s *Events) checkFree(stream string, expected uint64, count int) error {
	last := uint64(0)
	if held := s.streams[stream]; len(held) > 0 {
		last = held[len(held)-1].Version
	}
	if !s.Unchecked && last != expected {
		return fmt.Errorf("%w: %s is at version %d, not %d", eventstore.ErrConflict, stream, last, expected)
	}
	for i := range count {
		if _, taken := s.at(stream, expected+uint64(i)+1); taken {
			return fmt.Errorf("%w: %s is at version %d, not %d", eventstore.ErrConflict, stream, last, expected)
		}
	}
	return nil
}

// at returns the index of a version among the events of a stream, and whether it is there.
func (s *Events) at(stream string, version uint64) (int, bool) {
	return slices.BinarySearchFunc(s.streams[stream], version, func(e event.Event, v uint64) int { return cmp.Compare(e.Version, v) })
}

func (s *Events) insert(e event.Event) {
	if at, there := s.at(e.Stream, e.Version); !there {
		s.streams[e.Stream] = slices.Insert(s.streams[e.Stream], at, e)
	}
}

func checkAppend(stream string, events []event.Event) error {
	switch {
	case stream == "" || !utf8.ValidString(stream):
		return errors.New("the stream's name is empty or not UTF-8")
	case len(events) == 0:
		return errors.New("there are no events")
	case len(events) > eventstore.MaxAppend:
		return fmt.Errorf("%d events at once, at most %d are taken", len(events), eventstore.MaxAppend)
	}
	for i := range events {
		e := &events[i]
		if len(e.Payload) > MaxEventBytes {
			return fmt.Errorf("%w: the payload of %s has %d bytes, %d is the limit", eventstore.ErrTooLarge, e.Type, len(e.Payload), MaxEventBytes)
		}
		if e.ID == "" || e.Type == "" {
			return errors.New("an event has no id or no type")
		}
		for _, text := range [...]string{e.ID, e.Type, e.CorrelationID, string(e.Payload), e.CausationID, e.CommandID, e.CommandHash, e.Actor, e.Traceparent, e.Command, e.Role, e.Route, e.Origin} {
			if !utf8.ValidString(text) {
				return fmt.Errorf("event %q has a field that is not UTF-8", e.ID)
			}
		}
	}
	return nil
}

// Load implements eventstore.Loader.
func (s *Events) Load(ctx context.Context, stream string, after uint64) ([]event.Event, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.load(stream, after), ctx.Err()
}

func (s *Events) load(stream string, after uint64) []event.Event {
	at, _ := s.at(stream, min(after, event.MaxVersion)+1)
	held := s.streams[stream][at:]
	if len(held) == 0 {
		return nil
	}
	events := make([]event.Event, len(held))
	for i, e := range held {
		events[i] = cloneEvent(e)
	}
	return events
}

// LoadMany implements eventstore.Loader.
func (s *Events) LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	found := make(map[string][]event.Event, len(streams))
	for _, stream := range streams {
		if events := s.load(stream, 0); len(events) > 0 {
			found[stream] = events
		}
	}
	return found, ctx.Err()
}

// Streams implements eventstore.Lister, sorted by name. The cursor is the last name.
func (s *Events) Streams(ctx context.Context, part eventstore.Part, cursor string, limit int) ([]string, string, error) {
	if limit < 1 {
		return nil, "", fmt.Errorf("listing streams: a page of %d makes no sense", limit)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	names := slices.DeleteFunc(after(slices.Sorted(maps.Keys(s.streams)), cursor), func(name string) bool { return !part.Has(name) })
	if len(names) <= limit {
		return names, "", ctx.Err()
	}
	return names[:limit], names[limit-1], ctx.Err()
}

// Range implements eventstore.Ranger.
func (s *Events) Range(ctx context.Context, from, upTo string, limit int) (events []event.Event, next string, err error) {
	if limit < 1 {
		return nil, "", fmt.Errorf("reading streams: a page of %d makes no sense", limit)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	names := after(slices.Sorted(maps.Keys(s.streams)), from)
	for i, name := range names {
		if upTo != "" && name > upTo {
			break
		}
		events = append(events, s.load(name, 0)...)
		if more := i+1 < len(names) && (upTo == "" || names[i+1] <= upTo); more && len(events) >= limit {
			return events, name, ctx.Err()
		}
	}
	return events, "", ctx.Err()
}
