package rebuild

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/observe"
)

// RolledBack is what GoBack has done.
type RolledBack struct {
	Version int      // that readers see now
	Doubts  []string // why it would have been refused without force
}

// GoBack is Rollback for an operator. Unless force is set it refuses a version that the last
// verification called wrong, or that lacks rows or events which readers see now.
func (e *Engine) GoBack(ctx context.Context, name string, force bool) (RolledBack, error) {
	var back RolledBack
	pointer, err := e.Pointers.Pointer(ctx, name)
	if err != nil {
		return back, fmt.Errorf("rolling %s back: %w", name, err)
	}
	if back.Doubts, err = e.doubts(ctx, &pointer); err != nil {
		if ctx.Err() != nil {
			return back, err
		}
		back.Doubts = append(back.Doubts, "the versions could not be compared: "+err.Error())
	}
	if len(back.Doubts) > 0 && !force {
		return back, refused("readers of %s stay where they are: %s; --force goes back all the same", name, strings.Join(back.Doubts, "; "))
	}
	back.Version, err = e.Rollback(ctx, name)
	return back, err
}

// doubts are the reasons not to go back to the previous version.
func (e *Engine) doubts(ctx context.Context, p *projection.Pointer) ([]string, error) {
	active, ok := p.ActiveVersion()
	to, found := previous(p)
	if !ok || !found {
		return nil, nil // Rollback says why it cannot be
	}
	var doubts []string
	if text := verifiedWrong(p, to); text != "" {
		doubts = append(doubts, text)
	}
	lacking, err := e.lacking(ctx, p.Table(active), p.Table(to))
	if err != nil {
		return doubts, err
	}
	if lacking.rows > 0 {
		doubts = append(doubts, fmt.Sprintf("%s lacks %d rows that %s has", p.Table(to), lacking.rows, p.Table(active)))
	}
	if lacking.events > 0 {
		doubts = append(doubts, fmt.Sprintf("%d rows of %s are behind those of %s", lacking.events, p.Table(to), p.Table(active)))
	}
	return doubts, nil
}

// previous is the version that a rollback shows to readers.
func previous(p *projection.Pointer) (to projection.Version, found bool) {
	for _, v := range p.Versions {
		if v.State == projection.Previous && v.Number > to.Number {
			to, found = v, true
		}
	}
	return to, found
}

// verifiedWrong says so when the last verification of a version has found it wrong.
func verifiedWrong(p *projection.Pointer, v projection.Version) string {
	if v.Verified == nil || v.Verified.Problems == 0 {
		return ""
	}
	return fmt.Sprintf("the last verification of %s, at %s, left %d rows and totals wrong (projection verify %s --version %d)",
		p.Table(v), v.Verified.At, v.Verified.Problems, p.Projection, v.Number)
}

// shortfall is what one version lacks of another.
type shortfall struct{ rows, events int }

// lacking counts the rows of one version that another does not have, or has of an earlier version
// of their stream, still after the lag bound: live delivery writes both, one after the other.
func (e *Engine) lacking(ctx context.Context, of, in projection.Table) (shortfall, error) {
	want := map[string]uint64{}
	for rows, err := range eventstore.Pages(func(cursor string) ([]projection.Record, string, error) {
		return e.Tables.Scan(ctx, of, eventstore.All, cursor, comparePage)
	}) {
		if err != nil {
			return shortfall{}, err
		}
		at := make(map[string]uint64, len(rows))
		for i := range rows {
			if rows[i].Version > 0 {
				at[rows[i].Stream] = rows[i].Version
			}
		}
		if _, err := e.below(ctx, in, at); err != nil {
			return shortfall{}, err
		}
		for stream, version := range at {
			want[stream] = version
		}
	}
	if len(want) == 0 {
		return shortfall{}, nil
	}
	if err := e.sleep(ctx, e.Settings.LagBound); err != nil {
		return shortfall{}, err
	}
	return e.below(ctx, in, want)
}

// comparePage is how many rows of two versions are compared at a time.
const comparePage = 500

// below leaves in want those streams whose rows are not at their version, and counts them.
func (e *Engine) below(ctx context.Context, t projection.Table, want map[string]uint64) (shortfall, error) {
	var s shortfall
	streams := make([]string, 0, len(want))
	for stream := range want {
		streams = append(streams, stream)
	}
	for some := range slices.Chunk(streams, comparePage) {
		rows, err := e.Tables.Records(ctx, t, some)
		if err != nil {
			return s, err
		}
		for _, stream := range some {
			row, there := rows[stream]
			switch {
			case row.Version >= want[stream]:
				delete(want, stream)
			case !there || row.Version == 0:
				s.rows++
			default:
				s.events++
			}
		}
	}
	return s, nil
}

// Clean is CleanupAll for an operator. Unless force is set it refuses while the version that
// readers see was called wrong by its last verification: the others may be the sound ones.
func (e *Engine) Clean(ctx context.Context, name string, force bool) ([]int, error) {
	pointer, err := e.Pointers.Pointer(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("cleaning up %s: %w", name, err)
	}
	active, _ := pointer.ActiveVersion()
	if _, found := previous(&pointer); found {
		if doubt := verifiedWrong(&pointer, active); doubt != "" && !force {
			return nil, refused("nothing of %s is dropped: readers are on a version that may be the wrong one: %s; --force drops the others all the same", name, doubt)
		} else if doubt != "" {
			observe.Logger(ctx).Warn().Str(observe.FieldProjection, pointer.Table(active).String()).Str("doubt", doubt).Msg("reproject:cleanup-forced")
		}
	}
	return e.CleanupAll(ctx, name)
}
