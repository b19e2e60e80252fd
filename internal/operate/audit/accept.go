package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/engine/audit"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/seal"
	"gakushoku/internal/engine/subject"
	"gakushoku/internal/event"
	"gakushoku/internal/operate/health"
)

// Expected returns what the rounds have noted about the seals beside the log.
func Expected(checkpoints projection.Checkpoints) func(context.Context) (seal.Expected, error) {
	return func(ctx context.Context) (seal.Expected, error) {
		c, err := checkpoints.Checkpoint(ctx, health.AuditReader)
		expected := seal.Expected{Number: c.Events}
		if c.Cursor == "" && !c.AppliedAt.IsZero() {
			expected.Looked = c.AppliedAt.Time()
		}
		return expected, err
	}
}

// Acceptance lets rounds and repairs go on after checkpoints, or the keys of subjects, were lost for good.
type Acceptance struct {
	Seals       *seal.Check
	Witness     *Witness // nil: keys are not looked at
	Checkpoints projection.Checkpoints
	Streams     subject.Streams
	Now         func() time.Time
	NewID       func() string
}

// Accept records for good, in the log, what was lost, and takes what is left for the right one. It returns nothing
// if nothing is missing. It refuses a log that contradicts the checkpoints it has.
func (a *Acceptance) Accept(ctx context.Context) (losses []audit.Loss, err error) {
	r, err := a.Seals.Newest(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range r.Problems {
		if p.Kind != seal.SealMissing {
			return nil, fmt.Errorf("%w: %s", seal.ErrContradicted, p.Detail)
		}
		loss := audit.Loss{What: audit.LostSeals, UpTo: int64(p.Number)} //nolint:gosec // it fits
		if err := a.record(ctx, loss); err != nil {
			return nil, err
		}
		var left projection.Checkpoint
		if r.Newest != nil {
			left = projection.Checkpoint{Events: r.Newest.Number, OccurredAt: r.Newest.At}
		}
		if err := a.Checkpoints.SetCheckpoint(ctx, health.AuditReader, left); err != nil {
			return nil, err
		}
		losses = append(losses, loss)
	}
	if a.Witness == nil {
		return losses, nil
	}
	if err = a.Witness.Check(ctx); !errors.Is(err, subject.ErrLost) {
		return losses, err
	}
	loss := audit.Loss{What: audit.LostKeys, UpTo: int64(r.Head.Number)} //nolint:gosec // likewise
	if err = a.record(ctx, loss); err == nil {
		err = a.Witness.beginAgain(ctx)
	}
	if err == nil {
		err = a.settled(ctx)
	}
	return append(losses, loss), err
}

// settled clears what the last round has found to be wrong; the next one looks again.
func (a *Acceptance) settled(ctx context.Context) error {
	c, err := a.Checkpoints.Checkpoint(ctx, health.AuditReader)
	if err != nil || c.Cursor == "" {
		return err
	}
	c.Cursor, c.AppliedAt = "", 0
	return a.Checkpoints.SetCheckpoint(ctx, health.AuditReader, c)
}

func (a *Acceptance) record(ctx context.Context, loss audit.Loss) error {
	loss.Log = audit.LossLog
	e, err := event.New(loss)
	if err != nil {
		return err
	}
	e.ID, e.OccurredAt, e.Stream, e.CorrelationID = a.NewID(), event.InstantOf(a.Now()), audit.Kind.Stream(audit.LossLog), a.NewID()
	e.Command = "AcceptAuditLoss"
	history, err := a.Streams.Load(ctx, e.Stream, 0)
	if err == nil {
		err = a.Streams.Append(ctx, e.Stream, uint64(len(history)), []event.Event{e})
	}
	if err != nil {
		return fmt.Errorf("recording that %s were lost: %w", loss.What, err)
	}
	return nil
}
