// Package lag measures how late the readers of the event table's stream are. Lambda's event source mappings
// keep the readers' positions; a checkpoint only records how late its reader last was.
package lag

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

// The readers of the stream, which are also the names of their checkpoints.
const (
	Projector = "projector"
	Archiver  = "archiver"
	// expected, appended to a reader's name, is the checkpoint in which the other reader notes an event
	// that should have arrived.
	expected = "-expected"
)

// checkpointEvery bounds how often one instance writes its checkpoint, and thus how far the checkpoint may be
// behind the newest event that arrived.
const checkpointEvery = time.Second

// Max is the delay at which a reader becomes unhealthy. A late event counts for the duration recent. If one
// reader does not run at all, the other one, which gets the same events, notices. If neither runs, only the
// mappings' IteratorAge shows it, which AWS measures.
const (
	Max    = time.Minute
	recent = 2 * time.Minute
)

// Marker writes the checkpoint of a reader. Several instances write the same one.
type Marker struct {
	checkpoints   projection.Checkpoints
	reader, other string
	now           func() time.Time
	written       atomic.Int64 // milliseconds since 1970
	newest        atomic.Int64 // time of the newest event in the last checkpoint written
}

// NewMarker returns the marker of a reader.
func NewMarker(checkpoints projection.Checkpoints, reader string) *Marker {
	other := map[string]string{Projector: Archiver, Archiver: Projector}[reader]
	return &Marker{checkpoints: checkpoints, reader: reader, other: other, now: time.Now}
}

// Done records that a batch was applied, and when its newest event was appended. A failure is only logged,
// since the batch need not be applied again.
func (m *Marker) Done(ctx context.Context, appended time.Time) {
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

// note writes the checkpoint: how late this batch was and, as its cursor, when the newest event of all
// instances was appended.
func (m *Marker) note(ctx context.Context, c *projection.Checkpoint) error {
	before, err := m.checkpoints.Checkpoint(ctx, m.reader)
	if err != nil {
		return err
	}
	c.Cursor = max(newest(*c), newest(before)).String()
	return m.checkpoints.SetCheckpoint(ctx, m.reader, *c)
}

// newest returns when the newest event that a reader received was appended.
func newest(c projection.Checkpoint) event.Instant {
	if at, err := event.ParseInstant(c.Cursor); err == nil {
		return at
	}
	return c.OccurredAt
}

// expect records that the other reader should receive these events too, unless it already has, or still
// waits for older ones.
func (m *Marker) expect(ctx context.Context, c projection.Checkpoint) error {
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

// behind reports whether a reader has not yet received what the other one has noted.
func behind(reader, noted projection.Checkpoint) bool {
	return newest(reader).Time().Add(checkpointEvery).Before(newest(noted).Time())
}

// Of returns a function that returns how late a reader recently was, or for how long it has been gone.
func Of(checkpoints projection.Checkpoints, reader string) func(context.Context) (health.Lag, error) {
	return func(ctx context.Context) (health.Lag, error) {
		c, err := checkpoints.Checkpoint(ctx, reader)
		if err != nil {
			return health.Lag{}, fmt.Errorf("reading the checkpoint of the %s: %w", reader, err)
		}
		waiting, err := checkpoints.Checkpoint(ctx, reader+expected)
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
		if now.Sub(c.AppliedAt.Time()) < recent {
			l.Behind = late
		}
	}
	if behind(c, waiting) {
		l.Behind = max(l.Behind, now.Sub(waiting.AppliedAt.Time()))
	}
	return l
}
