package rebuild

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
)

// Heal folds single streams again, in place, in every table version that live delivery writes: the streams of
// the request, or those with an event at or after its number. It creates a missing row only if the totals do
// not include its contribution, which takes a verification of the whole version. The driver calls it again
// until run.Heal.Done.
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

// parked counts the streams that are still parked.
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

// healEvents is how many log events one call of Heal reads to find the streams to heal.
const healEvents = 200_000

// toHeal returns the streams to heal and the log number to continue from; 0 if there are no more.
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
