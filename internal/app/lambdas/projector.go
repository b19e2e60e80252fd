package lambdas

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"gakushoku/internal/event"
	"gakushoku/internal/health"
	"gakushoku/internal/lambdaevent"
	"gakushoku/internal/observe"
	"gakushoku/internal/projection"
)

// reader is the name of the projector's checkpoint. Where it reads on is the business of
// Lambda's event source mapping; the checkpoint only tells how late it last was.
const reader = "projector"

// checkpointEvery bounds how often one instance writes its checkpoint.
const checkpointEvery = time.Second

// The health of a projector: too late is an event that was applied more than maxLag after it
// was appended, and lately is how long such news counts. A projector that does not run at
// all writes no checkpoint, late or not: that shows in the mapping's IteratorAge, which only
// AWS can measure.
const (
	maxLag = time.Minute
	lately = 2 * time.Minute
)

// Projector is the function that brings the read models up to date. It also sets a
// projection up when the first event comes, since its tables are made by version and not by
// the template.
func (s *System) Projector() StreamHandler {
	projector := &projection.Projector{
		Definitions: definitions(), Tables: s.tables, Streams: s.events, Now: time.Now,
		Pointers: s.pointers(&selfSetup{Pointers: s.control, tables: s.tables}),
	}
	marker := &marker{checkpoints: s.control, now: time.Now}
	return lambdaevent.Stream(projector.Apply, marker.applied, s.logger)
}

// selfSetup is pointers that set a projection up when they are asked for it and it is not.
type selfSetup struct {
	projection.Pointers
	tables projection.Tables
}

// Pointer is projection.Pointers.
func (s *selfSetup) Pointer(ctx context.Context, name string) (projection.Pointer, error) {
	p, err := s.Pointers.Pointer(ctx, name)
	if !errors.Is(err, projection.ErrNoPointer) {
		return p, err
	}
	for _, d := range definitions() {
		if d.Name != name {
			continue
		}
		observe.Logger(ctx).Info().Str(observe.FieldProjection, name).Msg("projection:set-up")
		if err := projection.Ensure(ctx, s.Pointers, s.tables, d); err != nil {
			return projection.Pointer{}, err
		}
	}
	return s.Pointers.Pointer(ctx, name)
}

// marker writes the checkpoint. Several instances write the same one; any of them will do.
type marker struct {
	checkpoints projection.Checkpoints
	now         func() time.Time
	written     atomic.Int64 // milliseconds since 1970
}

// applied notes that all events up to one appended at that time are in. That it cannot be
// noted is no reason to apply them again.
func (m *marker) applied(ctx context.Context, appended time.Time) {
	now := m.now()
	if now.UnixMilli()-m.written.Load() < checkpointEvery.Milliseconds() {
		return
	}
	m.written.Store(now.UnixMilli())
	c := projection.Checkpoint{OccurredAt: event.InstantOf(appended), AppliedAt: event.InstantOf(now)}
	if err := m.checkpoints.SetCheckpoint(ctx, reader, c); err != nil {
		observe.Logger(ctx).Warn().Err(err).Msg("projection:checkpoint-not-written")
	}
}

// lag is how late the projector lately was.
func (s *System) lag(ctx context.Context) (health.Lag, error) {
	c, err := s.control.Checkpoint(ctx, reader)
	if err != nil {
		return health.Lag{}, fmt.Errorf("reading the projector's checkpoint: %w", err)
	}
	return lagOf(c, time.Now()), nil
}

func lagOf(c projection.Checkpoint, now time.Time) health.Lag {
	if c.AppliedAt.IsZero() {
		return health.Lag{Detail: "no event was applied yet"}
	}
	late := max(0, c.AppliedAt.Time().Sub(c.OccurredAt.Time()))
	l := health.Lag{Detail: fmt.Sprintf("the newest event was applied at %s, %s after it was appended", c.AppliedAt, late)}
	if now.Sub(c.AppliedAt.Time()) < lately {
		l.Behind = late
	}
	return l
}
