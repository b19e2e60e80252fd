package logcheck

import (
	"context"
	"fmt"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
)

// eventKey names an event of the store.
type eventKey struct {
	stream  string
	version uint64
}

// lateEvent is an event of the store that was not in the log when the log was read.
type lateEvent struct {
	id     string
	digest uint64
}

// maxLate bounds the late events held in memory until they come or turn out to be missing.
const maxLate = 200_000

// comparison compares one part of the store with the log.
type comparison struct {
	*verification
	held *index
	seen uint64 // number up to which the log was read
	late map[eventKey]lateEvent
}

// stored is a stream of the store.
type stored struct {
	name   string
	events []eventOf
}

type eventOf struct {
	version uint64
	lateEvent
}

// run compares the part. The log was read before the store, so the store must have every event of the log,
// while an event that only the store has may be on its way.
func (c *comparison) run(ctx context.Context) error {
	err := eachStream(ctx, c.Store, c.workers(), c.held.part.has, c.digestAll(), func(s stored) error {
		c.stream(&s)
		if c.report.Streams%streamPage == 0 {
			c.progress()
		}
		if len(c.late) >= maxLate {
			return c.settle(ctx)
		}
		return nil
	})
	if err == nil {
		err = c.settle(ctx)
	}
	if err != nil {
		return err
	}
	for name, have := range c.held.streams { // the store has no events of these
		c.extra(name, have, "the store does not have this stream")
	}
	return nil
}

// digestAll returns a function that computes the digests of a stream. It is called concurrently.
func (c *comparison) digestAll() func(name string, events []event.Event) stored {
	digests := c.held.digests
	return func(name string, events []event.Event) stored {
		own := digests.Copy()
		s := stored{name: name, events: make([]eventOf, len(events))}
		for i := range events {
			s.events[i] = eventOf{events[i].Version, lateEvent{events[i].ID, own.Of(&events[i])}}
		}
		return s
	}
}

// stream compares one stream.
func (c *comparison) stream(s *stored) {
	c.report.Streams++
	c.report.Events += uint64(len(s.events))
	have := c.held.streams[s.name]
	delete(c.held.streams, s.name)
	for _, e := range s.events {
		digest := have.at(e.version)
		if digest == 0 {
			c.late[eventKey{s.name, e.version}] = e.lateEvent
			continue
		}
		if digest != e.digest {
			c.report.add(Problem{Kind: EventDiffers, Stream: s.name, Version: e.version, EventID: e.id, Detail: "the log has another event there than the store"})
		}
		have.digests[e.version-1] = 0
	}
	c.extra(s.name, have, fmt.Sprintf("the stream has %d events in the store", len(s.events)))
}

// extra reports the events of a stream that only the log has.
func (c *comparison) extra(name string, have *versions, detail string) {
	have.left(func(version uint64) {
		c.report.add(Problem{Kind: EventExtra, Stream: name, Version: version, Detail: detail})
	})
}

// eachStream loads the wanted streams, several pages at once, applies work to each, and passes the results to
// f one at a time.
func eachStream[R any](ctx context.Context, store Streams, workers int, wanted func(name string) bool, work func(name string, events []event.Event) R, f func(R) error) error {
	return ordered(ctx, workers,
		func(ctx context.Context, next func([]string) error) error { return eachPage(ctx, store, wanted, next) },
		func(ctx context.Context, names []string) ([]R, error) {
			streams, err := store.LoadMany(ctx, names)
			if err != nil {
				return nil, fmt.Errorf("loading %d streams: %w", len(names), err)
			}
			results := make([]R, len(names))
			for i, name := range names {
				results[i] = work(name, streams[name])
			}
			return results, nil
		},
		func(results []R) error {
			for _, r := range results {
				if err := f(r); err != nil {
					return err
				}
			}
			return nil
		})
}

// streamPage is how many streams are loaded at once.
const streamPage = 100

// eachPage lists the wanted streams, a page at a time.
func eachPage(ctx context.Context, store Streams, wanted func(name string) bool, next func([]string) error) error {
	var names []string
	for listed, err := range eventstore.Pages(func(cursor string) ([]string, string, error) {
		return store.Streams(ctx, eventstore.All, cursor, page)
	}) {
		if err != nil {
			return fmt.Errorf("listing streams: %w", err)
		}
		for _, name := range listed {
			if wanted(name) {
				names = append(names, name)
			}
			if len(names) == streamPage {
				if err := next(names); err != nil {
					return err
				}
				names = nil
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	return next(names)
}
