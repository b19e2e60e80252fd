package rebuild

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
)

// Heal folds single streams again, in place, in every table version that live delivery
// writes: those of the request, or those with an event of its number or a later one. Rows that are
// missing it makes only where totals do not have their share, which takes a verification of the
// whole version. It wants to be called again until run.Heal.Done.
func (e *Engine) Heal(ctx context.Context, run Run) (Run, error) {
	return e.step(ctx, run, StepHeal, func(run *Run) error {
		if run.Mode != ModeHeal {
			return failed("run %s is not for single streams", run.ID)
		}
		healed := Healed{}
		if run.Heal != nil {
			healed = *run.Heal
		}
		run.Heal = &healed
		pointer, err := e.Pointers.Pointer(ctx, run.Projection)
		if err != nil {
			return err
		}
		return e.healRun(ctx, run, pointer, &healed)
	})
}

func (e *Engine) healRun(ctx context.Context, run *Run, pointer projection.Pointer, healed *Healed) error {
	streams, next, err := e.toHeal(ctx, run, healed.Next)
	if err != nil {
		return err
	}
	healed.Versions = nil
	for _, v := range pointer.Versions {
		if !v.Live() {
			continue
		}
		d, err := e.definition(run.Projection, v.Revision)
		if err != nil {
			return err
		}
		left, err := e.verifier().Heal(ctx, d, pointer.Table(v), streams)
		if err != nil {
			return err
		}
		healed.Missing += left.Missing
		for _, stream := range slices.Sorted(maps.Keys(left.Disputed)) {
			if healed.Disputed++; len(healed.DisputedSample) < maxSample {
				healed.DisputedSample = append(healed.DisputedSample, stream+": "+left.Disputed[stream])
			}
		}
		if v.State == projection.Active {
			parked, err := e.parked(ctx, pointer.Table(v), streams)
			if err != nil {
				return err
			}
			healed.Parked += parked
		}
		healed.Versions = append(healed.Versions, v.Number)
	}
	healed.Streams += len(streams)
	healed.Next, healed.Done = int(next), next == 0
	return nil
}

// parked counts the streams that are still set aside.
func (e *Engine) parked(ctx context.Context, t projection.Table, streams []string) (int, error) {
	n := 0
	for page := range slices.Chunk(streams, healPage) {
		records, err := e.Tables.Records(ctx, t, page)
		if err != nil {
			return 0, err
		}
		for _, r := range records {
			if r.Parked != nil {
				n++
			}
		}
	}
	return n, nil
}

// healEvents is how many events of the log one call of Heal reads for the streams to heal.
const healEvents = 200_000

// toHeal names the streams to heal, and the number of the log from which to go on; 0 when
// these are all.
func (e *Engine) toHeal(ctx context.Context, run *Run, from int) ([]string, uint64, error) {
	if run.Request.FromEventNumber == 0 {
		return run.Request.Streams, 0, nil
	}
	if e.Archive != nil {
		if err := e.Archive(ctx); err != nil {
			return nil, 0, fmt.Errorf("bringing the log up to date: %w", err)
		}
	}
	head, err := e.Log.Head(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("reading the head of the log: %w", err)
	}
	first := max(run.Request.FromEventNumber, uint64(from))
	if first > head.Number {
		if from > 0 {
			return nil, 0, nil
		}
		return nil, 0, refused("fromEventNumber is %d, but the log ends at %d", first, head.Number)
	}
	last := min(first+healEvents-1, head.Number)
	seen := map[string]struct{}{}
	err = e.Log.Events(ctx, first-1, last, func(_ uint64, ev *event.Event) error {
		if _, ok := seen[ev.Stream]; !ok {
			seen[ev.Clone().Stream] = struct{}{}
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("reading the log from event %d: %w", first, err)
	}
	next := uint64(0)
	if last < head.Number {
		next = last + 1
	}
	return slices.Sorted(maps.Keys(seen)), next, nil
}
