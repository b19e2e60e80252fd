package lambdas

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/health"
)

// The names of the checkpoints of those who read the event table's stream. Where they read on
// is the business of Lambda's event source mappings; a checkpoint only tells how late its
// reader last was.
const (
	readerProjector = "projector"
	readerArchiver  = "archiver"
	// expected, after a reader's name, is where the other one notes what should come to it too.
	expected = "-expected"
)

// checkpointEvery bounds how often one instance writes its checkpoint, and how much newer than
// its checkpoint the newest event may be that came to a reader.
const checkpointEvery = time.Second

// The health of a reader: too late is an event that arrived more than maxLag after it was
// appended, and lately is how long such news counts. A reader that does not run at all is
// noticed by the other one, to whom the same events come. That neither runs shows in the
// mappings' IteratorAge, which only AWS can measure.
const (
	maxLag = time.Minute
	lately = 2 * time.Minute
)

// marker writes the checkpoint of a reader. Several instances write the same one.
type marker struct {
	checkpoints   projection.Checkpoints
	reader, other string
	now           func() time.Time
	written       atomic.Int64 // milliseconds since 1970
	newest        atomic.Int64 // time of the event that was noted then
}

// done notes that a batch is in whose newest event was appended at that time. That it cannot
// be noted is no reason to go through the batch again.
func (m *marker) done(ctx context.Context, appended time.Time) {
	now, every := m.now(), checkpointEvery.Milliseconds()
	if now.UnixMilli()-m.written.Load() < every && appended.UnixMilli()-m.newest.Load() < every {
		return
	}
	m.written.Store(now.UnixMilli())
	m.newest.Store(appended.UnixMilli())
	c := projection.Checkpoint{OccurredAt: event.InstantOf(appended), AppliedAt: event.InstantOf(now)}
	err := m.note(ctx, &c)
	if err == nil {
		err = m.expect(ctx, c)
	}
	if err != nil {
		observe.Logger(ctx).Warn().Err(err).Msg(m.reader + ":checkpoint-not-written")
	}
}

// note writes the checkpoint: how late this batch was, and, as its cursor, the newest event of
// all, which another instance may have had.
func (m *marker) note(ctx context.Context, c *projection.Checkpoint) error {
	before, err := m.checkpoints.Checkpoint(ctx, m.reader)
	if err != nil {
		return err
	}
	c.Cursor = max(newest(*c), newest(before)).String()
	return m.checkpoints.SetCheckpoint(ctx, m.reader, *c)
}

// newest is when the newest event was appended that has come to a reader.
func newest(c projection.Checkpoint) event.Instant {
	if at, err := event.ParseInstant(c.Cursor); err == nil {
		return at
	}
	return c.OccurredAt
}

// expect notes that what came to this reader should come to the other one too, unless it has
// something to wait for already, or is as far.
func (m *marker) expect(ctx context.Context, c projection.Checkpoint) error {
	other, err := m.checkpoints.Checkpoint(ctx, m.other)
	if err != nil || !behind(other, c) {
		return err
	}
	waiting, err := m.checkpoints.Checkpoint(ctx, m.other+expected)
	if err != nil || behind(other, waiting) {
		return err
	}
	return m.checkpoints.SetCheckpoint(ctx, m.other+expected, c)
}

// behind reports whether what another has noted has not come to a reader yet.
func behind(reader, noted projection.Checkpoint) bool {
	return newest(reader).Time().Add(checkpointEvery).Before(newest(noted).Time())
}

// lag tells how late a reader lately was, or for how long it has not been there.
func (s *System) lag(reader string) func(context.Context) (health.Lag, error) {
	return func(ctx context.Context) (health.Lag, error) {
		c, err := s.control.Checkpoint(ctx, reader)
		if err != nil {
			return health.Lag{}, fmt.Errorf("reading the checkpoint of the %s: %w", reader, err)
		}
		waiting, err := s.control.Checkpoint(ctx, reader+expected)
		if err != nil {
			return health.Lag{}, fmt.Errorf("reading what is expected of the %s: %w", reader, err)
		}
		return lagOf(c, waiting, time.Now()), nil
	}
}

func lagOf(c, waiting projection.Checkpoint, now time.Time) health.Lag {
	l := health.Lag{Detail: "no event has come yet"}
	if !c.AppliedAt.IsZero() {
		late := max(0, c.AppliedAt.Time().Sub(c.OccurredAt.Time()))
		l.Detail = fmt.Sprintf("the newest event came at %s, %s after it was appended", c.AppliedAt, late)
		if now.Sub(c.AppliedAt.Time()) < lately {
			l.Behind = late
		}
	}
	if behind(c, waiting) {
		l.Behind = max(l.Behind, now.Sub(waiting.AppliedAt.Time()))
	}
	return l
}
