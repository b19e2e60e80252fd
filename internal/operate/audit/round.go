// Package audit tells who did what, and proves that it was not changed: it signs the log in rounds, verifies
// the log against its signed checkpoints, and lists every command.
package audit

import (
	"context"
	"errors"
	"time"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/seal"
	"gakushoku/internal/engine/subject"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/health"
)

// Rounds sign the log each hour.
type Rounds struct {
	Keeper      *seal.Keeper
	Checkpoints projection.Checkpoints // notes the outcome for health
	Now         func() time.Time
	Every       time.Duration // 0 is seal.Every
	Witness     *Witness      // notices lost keys of subjects; nil: none does
}

// retryEvery is when a round that failed is tried again.
const retryEvery = time.Minute

// Run makes a round at once and then each hour until ctx ends.
func (r *Rounds) Run(ctx context.Context) {
	every := r.Every
	if every <= 0 {
		every = seal.Every
	}
	for {
		pause := every
		if err := r.Once(ctx); err != nil && !errors.Is(err, seal.ErrContradicted) && !errors.Is(err, subject.ErrLost) {
			pause = min(pause, retryEvery)
		}
		if wait.For(ctx, pause) != nil {
			return
		}
	}
}

// Once compares the log with its newest signed checkpoint and signs it. It logs, measures and notes the
// outcome.
func (r *Rounds) Once(ctx context.Context) error {
	s, err := r.Keeper.Seal(ctx)
	lost := r.lost(ctx)
	broken := errors.Is(err, seal.ErrContradicted) || lost != nil
	if ctx.Err() != nil {
		return ctx.Err()
	}
	logger := observe.Logger(ctx)
	switch {
	case broken:
		logger.Error().Str(observe.FieldResult, observe.ResultNG).Err(errors.Join(err, lost)).Msg("audit:broken")
	case err != nil:
		logger.Error().Str(observe.FieldResult, observe.ResultNG).Str(observe.FieldErrorClass, string(fault.ClassOf(err))).Err(err).Msg("audit:not-sealed")
		return err
	case s != nil:
		logger.Info().Uint64("eventNumber", s.Number).Str("chain", s.Chain).Str("key", s.Key).Str(observe.FieldResult, observe.ResultOK).Msg("audit:sealed")
	}
	observe.MetricsOf(ctx).AuditBroken(ctx, broken)
	return errors.Join(err, lost, r.note(ctx, s, errors.Join(err, lost)))
}

// lost returns subject.ErrLost if the keys of subjects were lost. If they cannot be read, it is left to the next round.
func (r *Rounds) lost(ctx context.Context) error {
	if r.Witness == nil {
		return nil
	}
	err := r.Witness.Check(ctx)
	if err != nil && !errors.Is(err, subject.ErrLost) {
		observe.Logger(ctx).Error().Str(observe.FieldErrorClass, string(fault.ClassOf(err))).Err(err).Msg("audit:keys-not-looked-at")
		return nil
	}
	return err
}

// note records the outcome. The cursor is what is wrong.
func (r *Rounds) note(ctx context.Context, s *seal.Seal, problem error) error {
	c, err := r.Checkpoints.Checkpoint(ctx, health.AuditReader)
	if err != nil {
		return err
	}
	c.AppliedAt, c.Cursor = event.InstantOf(r.Now()), ""
	if problem != nil {
		c.Cursor = problem.Error()
	}
	if s != nil {
		c.Events, c.OccurredAt = s.Number, s.At
	}
	return r.Checkpoints.SetCheckpoint(ctx, health.AuditReader, c)
}
