package verify

import (
	"context"
	"fmt"
	"slices"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/model"
)

// Heal makes the rows of some streams what their events say, as Options.Fix does for those that a
// verification finds: one that is missing is made only where totals do not have its share. For that
// it verifies the whole table, when one of them is missing still after the lag bound. Streams that
// the projection does not fold are passed over, and rows are left alone whose stream is not the
// same in the store and in the log.
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

// Left is what Heal has left as it was.
type Left struct {
	Missing  int               // rows that there are not
	Disputed map[string]string // streams, and in what the store and the log differ
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

// settled are those of some streams that are not to be healed again: their rows are missing still,
// and left is how many, or they were set aside just now, which is an attempt each time. One that live
// delivery has brought in meanwhile may be behind.
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

// withoutRow are those of some streams that have events and no row.
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

// healMissing makes the rows of those of some streams that have none, where totals do not have
// their share.
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
