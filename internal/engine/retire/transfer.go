package retire

import (
	"context"
	"slices"

	"gakushoku/internal/engine/eventio"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/tombstone"
	"gakushoku/internal/event"
)

// Numbered is an event store with a feed by numbers, which events are imported into and exported from.
type Numbered interface {
	eventstore.Feed
	eventio.Target
	// NumberOf returns the number of an event; 0 if it is not in the feed.
	NumberOf(ctx context.Context, stream string, version uint64) (uint64, error)
}

// Transfer is an event store as imports and exports see it: with its retired events.
type Transfer struct {
	eventstore.Loader // that sees retired events
	Kept              Numbered
}

var (
	_ eventio.Source = (*Transfer)(nil)
	_ eventio.Target = (*Transfer)(nil)
)

// AppendAll implements eventio.Target.
func (t *Transfer) AppendAll(ctx context.Context, f func(add func(stream string, expected uint64, events []event.Event) error) error) error {
	return t.Kept.AppendAll(ctx, f)
}

// streamsAtOnce bounds the streams whose retired events are held in memory.
const streamsAtOnce = 1000

// EachID implements eventio.Target. It passes the events of the store first.
func (t *Transfer) EachID(ctx context.Context, f func(id, stream string, version uint64) error) error {
	held := map[string]int{} // events of each stream
	last := map[string]uint64{}
	err := t.Kept.EachID(ctx, func(id, stream string, version uint64) error {
		held[stream]++
		last[stream] = max(last[stream], version)
		return f(id, stream, version)
	})
	if err != nil {
		return err
	}
	var holed []string
	for stream, count := range held {
		if last[stream] > uint64(count) {
			holed = append(holed, stream)
		}
	}
	slices.Sort(holed)
	for some := range slices.Chunk(holed, streamsAtOnce) {
		many, err := t.LoadMany(ctx, some)
		if err != nil {
			return err
		}
		for _, stream := range some {
			for _, e := range many[stream] {
				if err := f(e.ID, e.Stream, e.Version); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Read implements eventio.Source. The retired events of a stream come before the tombstone that stands for them.
func (t *Transfer) Read(ctx context.Context, cursor string, limit int) ([]event.Event, string, error) {
	events, next, err := t.Kept.Read(ctx, cursor, limit)
	if err != nil || !slices.ContainsFunc(events, func(e event.Event) bool { return tombstone.Is(&e) }) {
		return events, next, err
	}
	var streams []string
	for i := range events {
		if tombstone.Is(&events[i]) {
			streams = append(streams, events[i].Stream)
		}
	}
	stored, err := t.Kept.LoadMany(ctx, streams)
	if err != nil {
		return nil, cursor, err
	}
	whole, err := t.LoadMany(ctx, streams)
	if err != nil {
		return nil, cursor, err
	}
	var all []event.Event
	brought := map[string]uint64{} // by stream: up to which version
	for i := range events {
		e := &events[i]
		if tombstone.Is(e) {
			if all, err = t.withRetired(ctx, all, whole[e.Stream], stored[e.Stream], brought[e.Stream], e.Version); err != nil {
				return nil, cursor, err
			}
			brought[e.Stream] = e.Version
		}
		all = append(all, *e)
	}
	return all, next, nil
}

// withRetired appends the events between two versions that the feed does not bring.
func (t *Transfer) withRetired(ctx context.Context, all, whole, stored []event.Event, after, before uint64) ([]event.Event, error) {
	for _, e := range whole {
		if e.Version <= after || e.Version >= before {
			continue
		}
		if _, there := atVersion(stored, e.Version); there {
			number, err := t.Kept.NumberOf(ctx, e.Stream, e.Version)
			if err != nil {
				return nil, err
			}
			if number > 0 {
				continue // it came, or comes, by itself
			}
		}
		all = append(all, e)
	}
	return all, nil
}
