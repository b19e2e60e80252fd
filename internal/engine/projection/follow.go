package projection

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
)

// Follower passes a feed to a projector and keeps a checkpoint. It is the embedded projector; on AWS the
// stream's event source mapping does its work.
type Follower struct {
	Name        string // of the checkpoint
	Feed        eventstore.Feed
	Appended    func() <-chan struct{} // closed at the next append of this process
	Checkpoints Checkpoints
	Projector   *Projector
	Batch       int           // events per batch
	Poll        time.Duration // how often to look for appends of other processes
	// Timeout is how long one batch may take; 0 is no limit. A batch uses the pointer as it was when the
	// batch began, so a rebuild waits this long for batches that do not know the new version.
	Timeout time.Duration

	batch int // events per batch while batches time out; 0: Batch
}

// maxFollowPause bounds the wait after a failure, so that the end of an outage is noticed soon.
const maxFollowPause = 5 * time.Second

// Run follows the feed until ctx ends. If a store fails, it logs that and tries again for as long as it
// takes; it skips no event.
func (f *Follower) Run(ctx context.Context) error {
	pause := time.Duration(0)
	for {
		appended := f.Appended()
		more, err := f.Once(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			pause = min(max(2*pause, 50*time.Millisecond), maxFollowPause)
			observe.Logger(ctx).Error().Err(err).Str(observe.FieldErrorClass, string(fault.ClassOf(err))).
				Dur("retryMs", pause).Msg("projection:delayed")
			await(ctx, nil, pause)
		case !more:
			pause = 0
			await(ctx, appended, f.Poll)
		default:
			pause = 0
		}
	}
}

// await waits for wake, at most limit.
func await(ctx context.Context, wake <-chan struct{}, limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-timer.C:
	}
}

// CatchUp applies everything that is in the feed now. It retries failures until ctx ends.
func (f *Follower) CatchUp(ctx context.Context) error {
	for {
		more, err := f.Once(ctx)
		switch {
		case ctx.Err() != nil:
			return errors.Join(ctx.Err(), err)
		case err != nil:
			await(ctx, nil, catchUpPause)
		case !more:
			return nil
		}
	}
}

// catchUpPause is the pause between tries of CatchUp. It is short, since a caller is waiting.
const catchUpPause = 50 * time.Millisecond

func (f *Follower) apply(ctx context.Context, events []event.Event) Failures {
	if f.Timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, f.Timeout)
		defer cancel()
		ctx = limited
	}
	return f.Projector.Apply(ctx, events)
}

// Once applies the next batch and moves the checkpoint past it; it returns false if there was none.
func (f *Follower) Once(ctx context.Context) (bool, error) {
	checkpoint, err := f.Checkpoints.Checkpoint(ctx, f.Name)
	if err != nil {
		return false, fmt.Errorf("reading the checkpoint of %s: %w", f.Name, err)
	}
	limit := f.Batch
	if f.batch > 0 {
		limit = f.batch
	}
	events, next, err := f.Feed.Read(ctx, checkpoint.Cursor, limit)
	if err != nil {
		return false, fmt.Errorf("reading the feed: %w", err)
	}
	if len(events) == 0 {
		return false, nil
	}
	if err := f.apply(ctx, events).Err(); err != nil {
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			f.batch = max(1, limit/2) // a slow store can still progress with smaller batches
		}
		return false, fmt.Errorf("applying %d events: %w", len(events), err)
	}
	f.batch = min(2*f.batch, f.Batch)
	checkpoint.Cursor = next
	checkpoint.Events += uint64(len(events))
	checkpoint.OccurredAt = max(checkpoint.OccurredAt, events[len(events)-1].OccurredAt)
	checkpoint.AppliedAt = event.InstantOf(f.Projector.Now())
	if err := f.Checkpoints.SetCheckpoint(ctx, f.Name, checkpoint); err != nil {
		return false, fmt.Errorf("storing the checkpoint of %s: %w", f.Name, err)
	}
	return true, nil
}
