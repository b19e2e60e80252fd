// Package retire moves the events of closed streams out of the event store, where the numbered log has them
// too, and reads them from there when they are needed. infra/DESIGN.md section 20 is the specification.
package retire

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/tombstone"
	"gakushoku/internal/event"
	"gakushoku/internal/fault/retry"
)

// ErrHole means that a stream lacks events and no tombstone says where they are: the event store has lost them.
var ErrHole = errors.New("the event store lacks events in the middle of the stream")

// Whole is an event store whose loads see retired events: they fill what is missing below a tombstone from
// the log. Load fails with ErrHole for what is missing elsewhere; LoadMany and Range leave that to their
// callers, which report it. It is safe for concurrent use.
type Whole struct {
	eventstore.Store
	Log *eventlog.Reader
}

// Over returns the store with Whole around it. It is an eventstore.Ranger if the store is one. Without a
// ledger and objects there is no log, and nothing is retired.
func Over(store eventstore.Store, log *eventlog.Reader) eventstore.Store {
	s := &Whole{Store: store, Log: log}
	if ranger, ok := store.(eventstore.Ranger); ok {
		return &Ranging{Whole: s, ranger: ranger}
	}
	return s
}

// Ranging is Whole over a store that is an eventstore.Ranger.
type Ranging struct {
	*Whole
	ranger eventstore.Ranger
}

// rereads is how often a stream with a hole is read again: a store that reads page by page may have missed a
// tombstone that was appended meanwhile.
const rereads = 3

// Load implements eventstore.Loader.
func (s *Whole) Load(ctx context.Context, stream string, after uint64) (events []event.Event, err error) {
	err = retry.Do(ctx, retry.Policy{Tries: rereads}, func() (bool, error) {
		if events, err = s.Store.Load(ctx, stream, after); err != nil {
			return false, err
		}
		at, holed := hole(events, after)
		if !holed {
			return false, nil
		}
		stone, found, err := above(events, at)
		switch {
		case err != nil:
			return false, err
		case !found:
			return true, fmt.Errorf("%w: %s has no version %d: see the runbook lost-events.md", ErrHole, stream, at)
		}
		whole, err := s.retired(ctx, map[string]tombstone.Retired{stream: stone})
		if err == nil {
			events = merged(whole[stream], events, after)
		}
		return false, err
	})
	if err != nil {
		return nil, err
	}
	return events, nil
}

// LoadMany implements eventstore.Loader.
func (s *Whole) LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error) {
	many, err := s.Store.LoadMany(ctx, streams)
	if err != nil {
		return nil, err
	}
	return many, s.fill(ctx, many)
}

// Range implements eventstore.Ranger. With retired events a page has more events than asked for.
func (s *Ranging) Range(ctx context.Context, after, upTo string, limit int) ([]event.Event, string, error) {
	events, next, err := s.ranger.Range(ctx, after, upTo, limit)
	if err != nil || !slices.ContainsFunc(events, func(e event.Event) bool { return tombstone.Is(&e) }) {
		return events, next, err
	}
	many := eventstore.ByStream(events)
	var names []string
	for i := range events {
		if i == 0 || events[i].Stream != events[i-1].Stream {
			names = append(names, events[i].Stream)
		}
	}
	if err := s.fill(ctx, many); err != nil {
		return nil, "", err
	}
	var whole []event.Event
	for _, name := range names {
		whole = append(whole, many[name]...)
	}
	return whole, next, nil
}

// fill completes whole streams below their tombstones.
func (s *Whole) fill(ctx context.Context, many map[string][]event.Event) error {
	stones := map[string]tombstone.Retired{}
	for stream, events := range many {
		at, holed := hole(events, 0)
		if !holed {
			continue
		}
		stone, found, err := above(events, at)
		if err != nil {
			return err
		}
		if found {
			stones[stream] = stone
		}
	}
	whole, err := s.retired(ctx, stones)
	if err != nil {
		return err
	}
	for stream, events := range whole {
		many[stream] = merged(events, many[stream], 0)
	}
	return nil
}

// retired reads the events that tombstones stand for from the log, by stream.
func (s *Whole) retired(ctx context.Context, stones map[string]tombstone.Retired) (map[string][]event.Event, error) {
	if len(stones) == 0 {
		return nil, nil
	}
	wanted := make(map[string][]uint64, len(stones))
	for stream, stone := range stones {
		for _, place := range stone.Places {
			wanted[stream] = append(wanted[stream], place.Number)
		}
	}
	whole := make(map[string][]event.Event, len(stones))
	err := s.Log.Collect(ctx, wanted, func(_ uint64, e *event.Event) error {
		if e.Version > stones[e.Stream].Through {
			return nil
		}
		own := e.Clone()
		held := whole[own.Stream]
		if at, repeated := atVersion(held, own.Version); !repeated {
			whole[own.Stream] = slices.Insert(held, at, own)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for stream, stone := range stones {
		if err := stone.Verify(whole[stream]); err != nil {
			return nil, fmt.Errorf("reading the retired events of %s: %w", stream, err)
		}
	}
	return whole, nil
}

func atVersion(events []event.Event, version uint64) (int, bool) {
	return slices.BinarySearchFunc(events, version, func(e event.Event, v uint64) int {
		return int(int64(e.Version) - int64(v))
	})
}

// hole returns the first version after one that is missing before another event.
func hole(events []event.Event, after uint64) (version uint64, found bool) {
	for i := range events {
		if want := after + uint64(i) + 1; events[i].Version != want {
			return want, true
		}
	}
	return 0, false
}

// above returns what the newest tombstone says, if nothing is missing above it and the version is below it.
func above(events []event.Event, version uint64) (stone tombstone.Retired, found bool, err error) {
	for i := len(events) - 1; i >= 0 && events[i].Version > version; i-- {
		if tombstone.Is(&events[i]) {
			stone, err = tombstone.Of(&events[i])
			return stone, err == nil, err
		}
		if i > 0 && events[i-1].Version != events[i].Version-1 {
			break
		}
	}
	return stone, false, nil
}

// merged puts retired events before those of the store that come after them.
func merged(retired, stored []event.Event, after uint64) []event.Event {
	through := retired[len(retired)-1].Version
	from, _ := atVersion(retired, after+1)
	rest, _ := atVersion(stored, through+1)
	return append(slices.Clip(retired[from:]), stored[rest:]...)
}
