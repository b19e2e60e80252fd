package retire

import (
	"context"
	"fmt"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/tombstone"
	"gakushoku/internal/event"
)

// Stats says how many events the event store has, and how many it has given up.
type Stats struct {
	Hot     Share `json:"hot"`     // in the event store, tombstones included
	Retired Share `json:"retired"` // only in the log
}

// Share is a part of all events.
type Share struct {
	Streams int64         `json:"streams"` // with an event of this share
	Events  int64         `json:"events"`
	Bytes   int64         `json:"bytes"`           // of the events as lines of JSON; 0 if unknown
	Oldest  event.Instant `json:"oldest,omitzero"` // when the oldest event occurred, or was retired
}

func (s *Share) older(at event.Instant) {
	if s.Oldest == 0 || at < s.Oldest {
		s.Oldest = at
	}
}

// Stats reads the whole event store, but not the log.
func (r *Retirer) Stats(ctx context.Context) (Stats, error) {
	var s Stats
	for names, err := range eventstore.Pages(func(cursor string) ([]string, string, error) {
		return r.Store.Streams(ctx, eventstore.All, cursor, streamPage)
	}) {
		if err != nil {
			return s, fmt.Errorf("counting events: %w", err)
		}
		many, err := r.Store.LoadMany(ctx, names)
		if err != nil {
			return s, fmt.Errorf("counting events: %w", err)
		}
		for _, events := range many {
			s.add(events)
		}
	}
	return s, nil
}

// add counts a stream, given what the event store has of it.
func (s *Stats) add(stored []event.Event) {
	if len(stored) == 0 {
		return
	}
	s.Hot.Streams++
	var line []byte
	stone := -1
	for i := range stored {
		e := &stored[i]
		line = event.AppendJSON(line[:0], e)
		s.Hot.Events++
		s.Hot.Bytes += int64(len(line)) + 1
		s.Hot.older(e.OccurredAt)
		if tombstone.Is(e) {
			stone = i
		}
	}
	if stone < 0 {
		return
	}
	if missing := int64(stored[stone].Version) - 1 - int64(stone); missing > 0 {
		s.Retired.Streams++
		s.Retired.Events += missing
		s.Retired.older(stored[stone].OccurredAt)
	}
}

// ErrNotRetired means that the event store has the whole stream, or that there is no such stream.
var ErrNotRetired = fmt.Errorf("the event store lacks nothing of the stream")

// Restore puts the retired events of a stream back into the event store, and returns how many. The tombstone
// stays; the stream is retired again once it has been quiet for long enough since.
func (r *Retirer) Restore(ctx context.Context, stream string) (int, error) {
	stored, err := r.Store.Load(ctx, stream, 0)
	if err != nil {
		return 0, err
	}
	if _, holed := hole(stored, 0); !holed {
		return 0, fmt.Errorf("putting back %s: %w", stream, ErrNotRetired)
	}
	whole, err := (&Whole{Store: r.Store, Log: r.Log}).Load(ctx, stream, 0)
	if err != nil {
		return 0, fmt.Errorf("putting back %s: %w", stream, err)
	}
	var missing []event.Event
	for i := range whole {
		if _, there := atVersion(stored, whole[i].Version); !there {
			missing = append(missing, whole[i])
		}
	}
	if err := r.Store.PutBack(ctx, stream, missing); err != nil {
		return 0, fmt.Errorf("putting back %s: %w", stream, err)
	}
	return len(missing), nil
}
