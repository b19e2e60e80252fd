package rebuild

import (
	"context"
	"slices"
	"time"

	"gakushoku/internal/engine/projection"
)

// Join lets live delivery write the new version too. The driver then waits run.Waits.Join seconds, after
// which every projector knows the new version.
func (e *Engine) Join(ctx context.Context, run Run) (Run, error) {
	return e.step(ctx, run, StepJoin, func(run *Run) error {
		run.Waits.Join = Seconds(e.Settings.PointerTTL + e.Settings.ProjectorTimeout).Whole()
		return e.changeOwn(ctx, run, func(v *projection.Version, _ *projection.Pointer) (bool, error) {
			if v.State != projection.Building || v.Joined {
				return false, nil
			}
			v.Joined = true
			return true, nil
		})
	})
}

// JoinWait is the exact duration that run.Waits.Join rounds up, for a driver in the same process.
func (e *Engine) JoinWait() time.Duration { return e.Settings.PointerTTL + e.Settings.ProjectorTimeout }

// changeOwn changes the run's own version on the pointer. It fails if that version is gone: the run was
// abandoned, or another took its place.
func (e *Engine) changeOwn(ctx context.Context, run *Run, edit func(*projection.Version, *projection.Pointer) (bool, error)) error {
	_, err := e.changePointer(ctx, run.Projection, func(p *projection.Pointer) (bool, error) {
		i := slices.IndexFunc(p.Versions, func(v projection.Version) bool { return v.Number == run.ToVersion && v.RunID == run.ID })
		if i < 0 {
			return false, failed("%s is not on the pointer any more: the run was abandoned", run.Table())
		}
		return edit(&p.Versions[i], p)
	})
	return err
}
