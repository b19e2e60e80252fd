package verify

import (
	"context"
	"fmt"
	"slices"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/model"
)

// Heal corrects the rows of some streams, as Options.Fix does for those that a verification finds. It creates
// a missing row only if the totals do not include its contribution; to find out, it verifies the whole table
// if a row is still missing after the lag bound. It skips streams that the projection does not fold, and
// leaves rows alone whose stream differs between the event store and the log.
func (v *Verifier) Heal(ctx context.Context, d model.Projection, t projection.Table, streams []string) (left Left, err error) {
	streams = slices.DeleteFunc(slices.Clone(streams), func(s string) bool { return !d.Folds(s) })
	if v.Log != nil && len(streams) > 0 {
		if left.Disputed, err = v.Log.Differing(ctx, v.Streams, streams); err != nil {
			return Left{}, fmt.Errorf("healing rows of %s: %w", t, err)
		}
	}
	streams = slices.DeleteFunc(streams, func(s string) bool { return left.Disputed[s] != "" })
	if left.Missing, err = v.heal(ctx, d, t, streams); err != nil {
		return Left{}, fmt.Errorf("healing rows of %s: %w", t, err)
	}
	return left, nil
}

// Left is what Heal left unchanged.
type Left struct {
	Missing  int               // number of rows that are still missing
	Disputed map[string]string // by stream, how the event store and the log differ
}

func (v *Verifier) heal(ctx context.Context, d model.Projection, t projection.Table, streams []string) (left int, err error) {
	missing, err := v.withoutRow(ctx, t, streams)
	if err == nil && len(missing) > 0 {
		if err = v.sleep(ctx, v.LagBound); err == nil {
			missing, err = v.withoutRow(ctx, t, missing)
		}
	}
	var done map[string]bool
	if err == nil && len(missing) > 0 {
		if err = v.healMissing(ctx, d, t, missing); err == nil {
			done, left, err = v.settled(ctx, t, missing)
		}
	}
	if err != nil {
		return 0, err
	}
	there := slices.DeleteFunc(streams, func(s string) bool { return done[s] })
	return left, v.Projector.Heal(ctx, d, t, there)
}

// settled returns the streams that must not be healed again. Either their rows are still missing; left is
// their number. Or they have just been parked, and healing would count as another attempt. A row that live
// delivery has written in the meantime may be stale, so it is not among them.
func (v *Verifier) settled(ctx context.Context, t projection.Table, streams []string) (done map[string]bool, left int, err error) {
	done = map[string]bool{}
	for some := range slices.Chunk(streams, pageSize) {
		rows, err := v.Tables.Records(ctx, t, some)
		if err != nil {
			return nil, 0, err
		}
		for _, stream := range some {
			row := rows[stream]
			if !present(&row) {
				left++
			}
			done[stream] = !present(&row) || row.Parked != nil
		}
	}
	return done, left, nil
}

// withoutRow returns those of the streams that have events but no row.
func (v *Verifier) withoutRow(ctx context.Context, t projection.Table, streams []string) ([]string, error) {
	var missing []string
	for some := range slices.Chunk(streams, pageSize) {
		rows, err := v.Tables.Records(ctx, t, some)
		if err != nil {
			return nil, err
		}
		none := slices.DeleteFunc(slices.Clone(some), func(s string) bool {
			row := rows[s]
			return present(&row)
		})
		histories, err := v.Streams.LoadMany(ctx, none)
		if err != nil {
			return nil, err
		}
		missing = append(missing, slices.DeleteFunc(none, func(s string) bool { return len(histories[s]) == 0 })...)
	}
	return missing, nil
}

// healMissing creates the missing rows of the given streams if the totals do not include their contributions.
func (v *Verifier) healMissing(ctx context.Context, d model.Projection, t projection.Table, streams []string) error {
	report, missing, err := v.whole(ctx, d, t, Options{})
	if err == nil {
		named := map[string]bool{}
		for _, stream := range streams {
			named[stream] = true
		}
		missing = slices.DeleteFunc(missing, func(p Problem) bool { return !named[p.Stream] })
		err = v.lost(ctx, d, t, Options{Fix: true}, missing, &report)
	}
	return err
}
