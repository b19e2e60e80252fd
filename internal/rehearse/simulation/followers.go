package simulation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/rehearse/faultport"
)

// followerName is the checkpoint of the embedded projector.
const followerName = "projector"

// follow starts an embedded projector in place of one that crashed, or beside one that is still running, as
// happens when a process is replaced before it has ended.
func (w *world) follow() {
	p := w.s.start(fmt.Sprintf("follower-%d", w.s.started+1))
	p.speed = w.someSpeed()
	at := promising{faultport.Checkpoints{Checkpoints: w.control, Gate: p}, w}
	var source eventstore.Feed = faultport.Feed{Feed: w.truth, Gate: p}
	if w.mutation.Feed != nil {
		source = w.mutation.Feed(source, at)
	}
	f := &projection.Follower{
		Name: followerName, Feed: source, Appended: w.truth.nextAppend,
		Checkpoints: at, Projector: w.engineFor(p),
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

// promising notes that a follower that moves its checkpoint has brought in all events before it.
type promising struct {
	faultport.Checkpoints
	w *world
}

func (c promising) SetCheckpoint(ctx context.Context, reader string, to projection.Checkpoint) error {
	mark, err := eventstore.ParseMark(to.Cursor)
	if err != nil {
		return err
	}
	for _, e := range c.w.truth.all[min(c.w.promisedTo, mark.Number):mark.Number] {
		s := c.w.truth.streams[e.Stream]
		s.promised = max(s.promised, e.Version)
	}
	c.w.promisedTo = max(c.w.promisedTo, mark.Number)
	c.w.applied = max(c.w.applied, int(mark.Number))
	return c.Checkpoints.SetCheckpoint(ctx, reader, to)
}
