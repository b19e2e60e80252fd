package simulation

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gakushoku/internal/event"
)

// writeSome starts a writer that appends to some stream: usually the next events of an aggregate's life, but
// also events that no decider would return, events that cannot be applied, and streams that the read model
// ignores.
func (w *world) writeSome() {
	w.writes--
	p := w.s.start(fmt.Sprintf("writer-%d", w.s.started+1))
	p.speed = w.someSpeed()
	stream := w.someStream()
	n := 1
	if w.s.random.IntN(4) == 0 {
		n += w.s.random.IntN(3)
	}
	dice := make([]int, n)
	for i := range dice {
		dice[i] = w.s.random.IntN(1 << 20)
	}
	store := w.eventsOf(p)
	p.run(func(ctx context.Context) error {
		history, err := store.Load(ctx, stream, 0)
		if err != nil {
			return err
		}
		events := make([]event.Event, n)
		for i := range events {
			if events[i], err = w.nextEvent(stream, len(history)+i, dice[i]); err != nil {
				return err
			}
		}
		if w.switches > 0 {
			w.s.count("append after switch")
		}
		return store.Append(ctx, stream, uint64(len(history)), events)
	}, func(error) { w.s.forget(p) })
}

// someStream returns a stream to write to. There are few, so that their events meet.
func (w *world) someStream() string {
	if w.s.random.IntN(12) == 0 {
		return "stock-rice"
	}
	return w.domain.view.Kind.Stream(fmt.Sprintf("o%d", w.s.random.IntN(w.streams)))
}

// nextEvent returns a random event to follow the at-th of a stream.
func (w *world) nextEvent(stream string, at, dice int) (event.Event, error) {
	roll := func(n int) int {
		r := dice % n
		dice /= n
		return r
	}
	now := event.InstantOf(time.Now())
	e, err := event.New(w.domain.next(strings.TrimPrefix(stream, w.domain.view.Kind.Prefix), at, now, roll))
	if err != nil {
		return event.Event{}, err
	}
	if roll(w.poison) == 0 {
		e.Schema = 99 // from the future: nothing here can apply it
	}
	e.ID, e.OccurredAt, e.Stream = fmt.Sprintf("%s-%d", stream, at+1), now, stream
	return e, nil
}
