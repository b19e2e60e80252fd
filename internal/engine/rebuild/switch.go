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

// Switch shows the new version to readers by one compare-and-set of the pointer. The version they saw before
// becomes the previous one, which live delivery continues to write. It fails with ErrFailed if the run was
// not verified.
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
				// Readers cannot read it or go back to it, and live delivery cannot write it.
				p.Versions = slices.DeleteFunc(p.Versions, func(v projection.Version) bool { return v.Number == run.Replaced })
				run.Replaced = 0
			}
			return !switched, nil
		})
	})
}

// soak returns the seconds to wait before the old version is dropped, at least until every reader knows the
// new one.
func (e *Engine) soak(run *Run) int64 {
	if run.Request.Soak == nil {
		return 0
	}
	return max(run.Request.Soak.Whole(), Seconds(e.readersWait()).Whole())
}

// activate makes a version the active one, and the active one the previous one.
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

// replacedBy returns the version that readers saw before an active one: both changed state at the same
// moment. It returns 0 if that version is gone or the pointer changed again afterwards.
func replacedBy(p *projection.Pointer, active *projection.Version) int {
	for _, v := range p.Versions {
		if v.State == projection.Previous && v.Number != active.Number && v.Since == active.Since {
			return v.Number
		}
	}
	return 0
}

// Rollback shows readers the previous version again; the active one becomes the previous one. No events are
// lost, since live delivery writes both all the time. It returns the version that readers now see.
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

// Cleanup drops the versions that the run's own has replaced. It drops none if the run was rolled back, since
// its own version is then the previous one and the operator who rolled back decides; nor if the run's version
// was found wrong during the soak. The driver calls it run.Waits.Soak seconds after Switch.
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

// KeepOne is Cleanup for a run without a soak time: it drops what older switches left, but keeps the version
// that the run has just replaced. If that version is unknown or could not be read, it drops none, since an
// older one is then the way back.
func (e *Engine) KeepOne(ctx context.Context, run Run) (Run, error) {
	return e.step(ctx, run, StepKeepOne, func(run *Run) (err error) {
		run.Dropped, err = e.cleanUp(ctx, run.Projection, sight{}, func(v projection.Version, _ int) bool {
			return run.Replaced > 0 && v.Number != run.Replaced && v.Number != run.ToVersion
		})
		return err
	})
}

// CleanupAll drops every previous and scratch version of a projection, for an operator who no longer needs
// them. It waits a few seconds until no reader uses them. It returns their numbers.
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

// cleanUp drops the previous versions that drop selects, given the active version, once every reader knows
// the active one. It takes them off the pointer first; a projector that still knows one finds its table gone,
// reads the pointer again, and continues. Tables that an interrupted attempt has already taken off the
// pointer are dropped by number; numbers are never reused.
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

// maxForgotten is how many of the latest version numbers are checked for tables left behind.
const maxForgotten = 20

// unlist takes versions off the pointer once no reader uses them. Readers may for a while use the pointer as
// it was before the active version became active. No clock tells when that was, since a change may land long
// after its time was taken; so the wait counts from when the active version was first seen as such, by the
// run after its switch or by this function. A switch or rollback in the meantime makes a version previous
// that readers still take for the active one, so the wait then starts again.
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

// sight records that a version was seen as the active one.
type sight struct {
	version int
	since   event.Instant // as the pointer says
	settled time.Time     // when every reader knows it
}

// readersWait is the time after which every reader uses the current pointer: the time for which a copy is
// valid, and the same again for reads already begun.
func (e *Engine) readersWait() time.Duration { return 2 * e.Settings.PointerTTL }
