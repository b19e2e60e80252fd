package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gakushoku/internal/event"
	"gakushoku/internal/eventstore"
	"gakushoku/internal/projection"
)

// followerName is the checkpoint of the embedded projector.
const followerName = "projector"

// follow starts an embedded projector in place of one that has crashed, or beside one that is
// still at work, as happens when a process is replaced before it has ended.
func (w *world) follow() {
	p := w.s.start(fmt.Sprintf("follower-%d", w.s.started+1))
	p.speed = w.someSpeed()
	f := &projection.Follower{
		Name: followerName, Feed: feed{w.truth, p}, Appended: w.truth.nextAppend,
		Checkpoints: promising{checkpoints{w.control, p}, w}, Projector: w.engineFor(p),
		Batch: w.batch, Poll: time.Second, Timeout: projectorTimeout,
	}
	w.followers = append(w.followers, p)
	w.s.count("follower")
	p.run(f.Run, func(error) {})
}

// followed reports whether an embedded projector is at work.
func (w *world) followed() bool { return anyAlive(w.followers) }

func anyAlive(all []*process) bool {
	return slices.ContainsFunc(all, func(p *process) bool { return !p.dead })
}

// feed is the feed of the event store as a process sees it.
type feed struct {
	eventstore.Feed
	by *process
}

func (f feed) Read(ctx context.Context, cursor string, limit int) (events []event.Event, next string, err error) {
	err = f.by.pass(ctx, reads, "feed after "+cursor, func(ctx context.Context) error {
		events, next, err = f.Feed.Read(ctx, cursor, limit)
		return err
	})
	return events, next, err
}

// promising knows that a follower who moves its checkpoint has brought in what is before it.
type promising struct {
	checkpoints
	w *world
}

func (c promising) SetCheckpoint(ctx context.Context, reader string, to projection.Checkpoint) error {
	n := 0
	if _, err := fmt.Sscan(to.Cursor, &n); err != nil {
		return errors.New("the checkpoint is not a cursor of the feed")
	}
	for _, e := range c.w.truth.all[:n] {
		s := c.w.truth.streams[e.Stream]
		s.promised = max(s.promised, e.Version)
	}
	c.w.applied = max(c.w.applied, n)
	return c.checkpoints.SetCheckpoint(ctx, reader, to)
}
