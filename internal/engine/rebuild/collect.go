package rebuild

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gakushoku/internal/engine/eventlog"
)

// maxSample bounds how many parked streams and missing parts the run itself names; the results name all.
const maxSample = 5

// Collect checks that every part has stored its result, whatever the driver believes, adds the results up,
// and finishes the table. It fails with ErrFailed if a part is missing or if more streams are parked than the
// request allows.
func (e *Engine) Collect(ctx context.Context, run Run) (Run, error) {
	return e.step(ctx, run, StepCollect, func(run *Run) error { return e.collect(ctx, run) })
}

func (e *Engine) collect(ctx context.Context, run *Run) error {
	results, err := e.results(ctx, run)
	if err != nil {
		return err
	}
	var sum Replayed
	for i := range results {
		r := &results[i]
		sum.Rows += int64(r.Rows)
		sum.Applied += r.Applied
		sum.Duplicates += r.Duplicates
		sum.Parked += r.Parked
		sum.Gaps += r.Gaps
		sum.RowBytes += r.RowBytes
		sum.LargestPart = max(sum.LargestPart, r.Memory)
		sum.SlowestMs = max(sum.SlowestMs, r.DurationMs)
		for _, s := range r.ParkedStreams[:min(len(r.ParkedStreams), maxSample-len(sum.ParkedSample))] {
			sum.ParkedSample = append(sum.ParkedSample, fmt.Sprintf("%s at version %d (event %s): %s", s.Stream, s.EventVersion, s.EventID, s.Reason))
		}
	}
	run.Replay = &sum
	if run.Mode == ModeDryRun {
		sum.Estimate = estimate(run.Plan, &sum, len(results))
		return nil
	}
	if sum.Parked > run.Request.AllowParked {
		return failed("%d streams cannot be folded to their end, %d are allowed (allowParked): %s", sum.Parked, run.Request.AllowParked, strings.Join(sum.ParkedSample, "; "))
	}
	if err := e.Tables.Finish(ctx, run.Table()); err != nil {
		return fmt.Errorf("finishing %s: %w", run.Table(), err)
	}
	run.CatchUp = &CaughtUp{Number: run.Plan.Watermark}
	return nil
}

// results reads the results of all parts.
func (e *Engine) results(ctx context.Context, run *Run) ([]PartResult, error) {
	var items []Item
	if err := e.get(ctx, run.Plan.Key, &items); err != nil {
		return nil, err
	}
	results := make([]PartResult, len(items))
	var missing []string
	for i, item := range items {
		err := e.get(ctx, e.resultKey(run, item.Part), &results[i])
		if errors.Is(err, eventlog.ErrNoBlob) {
			missing = append(missing, item.Part)
			continue
		}
		if err != nil {
			return nil, err
		}
	}
	if len(missing) > 0 {
		return nil, failed("%d of %d parts have not reported a result, though the replay was said to be done: %s",
			len(missing), len(items), strings.Join(missing[:min(len(missing), maxSample)], ", "))
	}
	return results, nil
}
