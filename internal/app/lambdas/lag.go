package lambdas

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"gakushoku/internal/event"
	"gakushoku/internal/health"
	"gakushoku/internal/observe"
	"gakushoku/internal/projection"
)

// The names of the checkpoints of those who read the event table's stream. Where they read on
// is the business of Lambda's event source mappings; a checkpoint only tells how late its
// reader last was.
const (
	readerProjector = "projector"
	readerArchiver  = "archiver"
)

// checkpointEvery bounds how often one instance writes its checkpoint.
const checkpointEvery = time.Second

// The health of a reader: too late is an event that arrived more than maxLag after it was
// appended, and lately is how long such news counts. A reader that does not run at all writes
// no checkpoint, late or not: that shows in the mapping's IteratorAge, which only AWS can
// measure.
const (
	maxLag = time.Minute
	lately = 2 * time.Minute
)

// marker writes the checkpoint of a reader. Several instances write the same one; any of them
// will do.
type marker struct {
	checkpoints projection.Checkpoints
	reader      string
	now         func() time.Time
	written     atomic.Int64 // milliseconds since 1970
}

// done notes that a batch is in whose newest event was appended at that time. That it cannot
// be noted is no reason to go through the batch again.
func (m *marker) done(ctx context.Context, appended time.Time) {
	now := m.now()
	if now.UnixMilli()-m.written.Load() < checkpointEvery.Milliseconds() {
		return
	}
	m.written.Store(now.UnixMilli())
	c := projection.Checkpoint{OccurredAt: event.InstantOf(appended), AppliedAt: event.InstantOf(now)}
	if err := m.checkpoints.SetCheckpoint(ctx, m.reader, c); err != nil {
		observe.Logger(ctx).Warn().Err(err).Msg(m.reader + ":checkpoint-not-written")
	}
}

// lag tells how late a reader lately was.
func (s *System) lag(reader string) func(context.Context) (health.Lag, error) {
	return func(ctx context.Context) (health.Lag, error) {
		c, err := s.control.Checkpoint(ctx, reader)
		if err != nil {
			return health.Lag{}, fmt.Errorf("reading the checkpoint of the %s: %w", reader, err)
		}
		return lagOf(c, time.Now()), nil
	}
}

func lagOf(c projection.Checkpoint, now time.Time) health.Lag {
	if c.AppliedAt.IsZero() {
		return health.Lag{Detail: "no event has come yet"}
	}
	late := max(0, c.AppliedAt.Time().Sub(c.OccurredAt.Time()))
	l := health.Lag{Detail: fmt.Sprintf("the newest event came at %s, %s after it was appended", c.AppliedAt, late)}
	if now.Sub(c.AppliedAt.Time()) < lately {
		l.Behind = late
	}
	return l
}
