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

// RolledBack is the outcome of GoBack.
type RolledBack struct {
	Version int      // the version that readers now see
	Doubts  []string // the reasons to refuse that force overrode
}

// GoBack is Rollback for an operator. Unless force is set, it refuses a version that the last verification
// found wrong, or that lacks rows or events which readers now see.
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

// doubts returns the reasons not to go back to the previous version.
func (e *Engine) doubts(ctx context.Context, p *projection.Pointer) ([]string, error) {
	active, ok := p.ActiveVersion()
	to, found := previous(p)
	if !ok || !found {
		return nil, nil // Rollback reports the reason
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

// previous returns the version that a rollback would show to readers.
func previous(p *projection.Pointer) (to projection.Version, found bool) {
	for _, v := range p.Versions {
		if v.State == projection.Previous && v.Number > to.Number {
			to, found = v, true
		}
	}
	return to, found
}

// verifiedWrong returns a message if the last verification of the version found it wrong, and "" otherwise.
func verifiedWrong(p *projection.Pointer, v projection.Version) string {
	if v.Verified == nil || v.Verified.Problems == 0 {
		return ""
	}
	return fmt.Sprintf("the last verification of %s, at %s, left %d rows and totals wrong (projection verify %s --version %d)",
		p.Table(v), v.Verified.At, v.Verified.Problems, p.Projection, v.Number)
}

// shortfall counts what one version lacks compared with another.
type shortfall struct{ rows, events int }

// lacking counts the rows of the table of that the table in lacks or has at an earlier version of their
// stream. It counts only rows that still lag after the lag bound, since live delivery writes one table after
// the other.
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

// comparePage is the number of rows compared per page.
const comparePage = 500

// below counts the streams whose rows are missing or older than want says, and removes all others from want.
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

// Clean is CleanupAll for an operator. Unless force is set, it refuses if the last verification found the
// active version wrong, since the other versions may be the sound ones.
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
