package rebuild

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
)

// Switch shows the new version to readers, by one compare-and-set of the pointer. The one
// they saw so far becomes the previous one, which live delivery goes on writing. It fails with
// ErrFailed when the run was not verified.
func (e *Engine) Switch(ctx context.Context, run Run) (Run, error) {
	return e.step(ctx, run, StepSwitch, func(run *Run) error {
		if run.Mode != ModeRebuild || run.Verify == nil || !run.Verify.Sound {
			return failed("%s was not verified", run.Table())
		}
		run.Waits.Soak = e.soak(run)
		return e.changeOwn(ctx, run, func(v *projection.Version, p *projection.Pointer) (bool, error) {
			switched := v.State == projection.Active || v.State == projection.Previous // perhaps rolled back since
			if !switched {
				if !v.Joined {
					return false, failed("%s has not joined", run.Table())
				}
				if doubt := verifiedWrong(p, *v); doubt != "" {
					return false, failed("%s", doubt)
				}
				e.activate(p, run.ToVersion)
			}
			run.Replaced, run.SwitchedAt = replacedBy(p, v), v.Since
			if !switched && run.Verify.Old.Unreadable != "" && run.Replaced == run.FromVersion {
				// Nobody can read it or go back to it, and live delivery cannot write it.
				p.Versions = slices.DeleteFunc(p.Versions, func(v projection.Version) bool { return v.Number == run.Replaced })
				run.Replaced = 0
			}
			return !switched, nil
		})
	})
}

// soak is how long to wait before the old version is dropped: not before every reader knows
// the new one.
func (e *Engine) soak(run *Run) int64 {
	if run.Request.Soak == nil {
		return 0
	}
	return max(run.Request.Soak.Whole(), Seconds(e.readersWait()).Whole())
}

// activate makes a version the active one, and the one that was the previous one.
func (e *Engine) activate(p *projection.Pointer, number int) {
	now := e.instant()
	for i := range p.Versions {
		v := &p.Versions[i]
		switch {
		case v.Number == number:
			v.State, v.Joined, v.Since = projection.Active, false, now
		case v.State == projection.Active:
			v.State, v.Since = projection.Previous, now
		}
	}
}

// replacedBy is the version that readers saw before an active one: it came into its state in the
// same moment. 0 when it is gone, or another change came after.
func replacedBy(p *projection.Pointer, active *projection.Version) int {
	for _, v := range p.Versions {
		if v.State == projection.Previous && v.Number != active.Number && v.Since == active.Since {
			return v.Number
		}
	}
	return 0
}

// Rollback shows readers the previous version again; the active one becomes the previous one.
// Nothing is lost, since both have been written all the time. It answers the version that
// readers see now.
func (e *Engine) Rollback(ctx context.Context, name string) (int, error) {
	to := 0
	_, err := e.changePointer(ctx, name, func(p *projection.Pointer) (bool, error) {
		version, found := previous(p)
		if to = version.Number; !found {
			return false, refused("%s has no previous version to go back to: it was cleaned up, or there was no switch", name)
		}
		if _, err := e.definition(name, version.Revision); err != nil {
			return false, err
		}
		e.activate(p, to)
		return true, nil
	})
	if err != nil {
		return 0, fmt.Errorf("rolling %s back: %w", name, err)
	}
	observe.Logger(ctx).Warn().Str(observe.FieldProjection, projection.Table{Projection: name, Version: to}.String()).Msg("reproject:rollback")
	return to, nil
}

// Cleanup drops the versions that the run's own has replaced. A run that was rolled back
// drops nothing: its own is then the previous one, and whoever rolled back decides. Nor does one
// whose version was found wrong in the soak. The driver
// has waited run.Waits.Soak seconds since Switch.
func (e *Engine) Cleanup(ctx context.Context, run Run) (Run, error) {
	return e.step(ctx, run, StepCleanup, func(run *Run) (err error) {
		soaked := sight{run.ToVersion, run.SwitchedAt, e.Now()}
		pointer, err := e.Pointers.Pointer(ctx, run.Projection)
		if err != nil {
			return err
		}
		if active, _ := pointer.ActiveVersion(); verifiedWrong(&pointer, active) != "" {
			observe.Logger(ctx).Warn().Str(observe.FieldProjection, pointer.Table(active).String()).Str("reason", verifiedWrong(&pointer, active)).Msg("reproject:kept")
			return nil
		}
		run.Dropped, err = e.cleanUp(ctx, run.Projection, soaked, func(_ projection.Version, active int) bool { return active == run.ToVersion })
		return err
	})
}

// KeepOne drops what older switches have left, but not the version that the run has just
// replaced: it is what Cleanup is for a run without a soak time. Where nobody knows which that
// was, or it could not be read, it drops none: an older one is the way back then.
func (e *Engine) KeepOne(ctx context.Context, run Run) (Run, error) {
	return e.step(ctx, run, StepKeepOne, func(run *Run) (err error) {
		run.Dropped, err = e.cleanUp(ctx, run.Projection, sight{}, func(v projection.Version, _ int) bool {
			return run.Replaced > 0 && v.Number != run.Replaced && v.Number != run.ToVersion
		})
		return err
	})
}

// CleanupAll drops every previous and scratch version of a projection, for an operator who
// needs none of them any more, as soon as nobody can read them: that takes a few seconds. It
// answers their numbers.
func (e *Engine) CleanupAll(ctx context.Context, name string) ([]int, error) {
	dropped, err := e.cleanUp(ctx, name, sight{}, func(projection.Version, int) bool { return true })
	if err != nil {
		return dropped, fmt.Errorf("cleaning up %s: %w", name, err)
	}
	pointer, err := e.Pointers.Pointer(ctx, name)
	if err != nil {
		return dropped, err
	}
	for _, v := range pointer.Versions {
		if v.State != projection.Scratch {
			continue
		}
		running, err := e.Runs.Running(ctx, v.RunID)
		if err != nil {
			return dropped, fmt.Errorf("asking after run %s: %w", v.RunID, err)
		}
		if running {
			continue
		}
		discarded, err := e.discard(ctx, pointer.Table(v))
		if err != nil {
			return dropped, err
		}
		if discarded {
			dropped = append(dropped, v.Number)
		}
	}
	return dropped, nil
}

// cleanUp drops the previous versions that drop chooses, told which version is active, once
// every reader knows that one. They go off the pointer first; a projector that still knows one
// finds its table gone, reads the pointer again, and goes on. Tables of versions that an attempt
// cut short has taken off the pointer are dropped by their numbers, which are never used twice.
func (e *Engine) cleanUp(ctx context.Context, name string, seen sight, drop func(v projection.Version, active int) bool) ([]int, error) {
	dropped, pointer, err := e.unlist(ctx, name, seen, drop)
	if err != nil {
		return nil, err
	}
	for number := 1; number < pointer.Next; number++ {
		listed := slices.ContainsFunc(pointer.Versions, func(v projection.Version) bool { return v.Number == number })
		if listed || number < pointer.Next-maxForgotten && !slices.Contains(dropped, number) {
			continue
		}
		t := projection.Table{Projection: name, Version: number}
		if err := e.Tables.Drop(ctx, t); err != nil {
			return dropped, fmt.Errorf("dropping %s: %w", t, err)
		}
	}
	return dropped, nil
}

// maxForgotten is how many of the latest versions are looked at for tables that were left
// behind.
const maxForgotten = 20

// unlist takes versions off the pointer when nobody reads them any more. Readers may go on for a
// while with the pointer as it was before the active version became that. Since when it is, no
// clock tells: a change may land long after its time was taken. So what counts is since when it
// was seen to be: by the run, after its switch, or here. A switch or a rollback meanwhile makes
// another version the previous one, which readers still know as the active one: then the wait
// begins anew.
func (e *Engine) unlist(ctx context.Context, name string, seen sight, drop func(projection.Version, int) bool) (dropped []int, pointer projection.Pointer, err error) {
	for {
		unseen := time.Duration(0)
		pointer, err = e.changePointer(ctx, name, func(p *projection.Pointer) (bool, error) {
			dropped = nil
			active, _ := p.ActiveVersion()
			for _, v := range p.Versions {
				if v.State == projection.Previous && drop(v, active.Number) {
					dropped = append(dropped, v.Number)
				}
			}
			if seen.version != active.Number || seen.since != active.Since {
				seen = sight{active.Number, active.Since, e.Now().Add(e.readersWait())}
			}
			if unseen = seen.settled.Sub(e.Now()); len(dropped) == 0 || unseen > 0 {
				return false, nil
			}
			p.Versions = slices.DeleteFunc(p.Versions, func(v projection.Version) bool { return slices.Contains(dropped, v.Number) })
			return true, nil
		})
		if err != nil || len(dropped) == 0 || unseen <= 0 {
			return dropped, pointer, err
		}
		observe.Logger(ctx).Info().Int64("waitMs", unseen.Milliseconds()).Msg("reproject:unseen")
		if err := e.sleep(ctx, unseen); err != nil {
			return nil, pointer, err
		}
	}
}

// sight is a version that was seen to be the active one.
type sight struct {
	version int
	since   event.Instant // as the pointer says
	settled time.Time     // from when on every reader knows it
}

// readersWait is after what time everybody reads the version that the pointer shows now: as
// long as readers may rely on what they know of it, and once more for what they have begun.
func (e *Engine) readersWait() time.Duration { return 2 * e.Settings.PointerTTL }
