package rebuild

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/observe"
)

// runIDs matches ids that fit in blob keys and execution names.
var runIDs = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// Prepare begins a run: it checks the request, numbers a new table version, registers it as building, and
// creates its table. It first removes a version that a run left behind when it ended. It fails with
// ErrRefused if the request makes no sense or if another run of the projection is under way.
func (e *Engine) Prepare(ctx context.Context, runID string, request Request) (Run, error) {
	run := Run{ID: runID, Projection: request.Projection, Request: request, StartedAt: e.instant()}
	if !runIDs.MatchString(runID) {
		return run, refused("%q is no run id: up to 80 letters, digits, - and _", runID)
	}
	mode, d, err := e.check(ctx, &request)
	if err != nil {
		return run, err
	}
	run.Mode, run.Revision, run.Step = mode, d.Revision, StepPrepare
	return e.step(ctx, run, StepPrepare, func(run *Run) error { return e.prepare(ctx, run) })
}

func (e *Engine) prepare(ctx context.Context, run *Run) error {
	if err := e.clearLeftovers(ctx, run); err != nil {
		return err
	}
	state := projection.Building
	if run.Mode == ModeScratch {
		state = projection.Scratch
	}
	pointer, err := e.changePointer(ctx, run.Projection, func(p *projection.Pointer) (bool, error) {
		active, ok := p.ActiveVersion()
		if !ok {
			return false, failed("%s has no active version", run.Projection)
		}
		run.FromVersion = active.Number
		if run.Mode == ModeHeal || run.Mode == ModeDryRun {
			return false, nil
		}
		for _, v := range p.Versions {
			switch {
			case v.RunID == run.ID:
				// An earlier attempt at this step registered it, perhaps before a deployment with a newer
				// revision. Live delivery fills the version with the revision on the pointer, so keep that
				// one.
				run.ToVersion, run.Revision = v.Number, v.Revision
				return false, nil
			case v.State == projection.Building:
				return false, e.underWay(run.Projection, v.RunID)
			}
		}
		number, err := e.unused(ctx, p)
		if err != nil {
			return false, err
		}
		run.ToVersion, p.Next = number, number+1
		p.Versions = append(p.Versions, projection.Version{Number: number, Revision: run.Revision, State: state, RunID: run.ID, Since: e.instant()})
		return true, nil
	})
	if errors.Is(err, projection.ErrNoPointer) {
		return refused("%s was never set up, so there is nothing to rebuild: its first event sets it up", run.Projection)
	}
	if err != nil || run.ToVersion == 0 {
		return err
	}
	at := slices.IndexFunc(pointer.Versions, func(v projection.Version) bool { return v.RunID == run.ID })
	if at >= 0 && pointer.Versions[at].State != state {
		return refused("run %s has already gone further: start another", run.ID)
	}
	if err := e.Tables.Create(ctx, run.Table()); err != nil {
		return fmt.Errorf("creating %s: %w", run.Table(), err)
	}
	return nil
}

// unused returns the next number that has no table. Tables with such numbers may exist after the pointer was
// restored from an older copy; their contents must not get into the new version.
func (e *Engine) unused(ctx context.Context, p *projection.Pointer) (int, error) {
	for number := p.Next; ; number++ {
		_, err := e.Tables.Record(ctx, projection.Table{Projection: p.Projection, Version: number}, noStream)
		switch {
		case errors.Is(err, projection.ErrNoTable):
			return number, nil
		case err != nil && !errors.Is(err, projection.ErrNoRecord) && !errors.Is(err, projection.ErrDamaged):
			return 0, err
		}
	}
}

// noStream is a name that no stream has.
const noStream = "-"

func (e *Engine) underWay(projection, runID string) error {
	return refused("run %s of %s is going on: wait for it, or stop it first", runID, projection)
}

// clearLeftovers removes building versions whose run ended without doing so, and scratch versions if the run
// makes a new one.
func (e *Engine) clearLeftovers(ctx context.Context, run *Run) error {
	if run.Mode == ModeHeal || run.Mode == ModeDryRun {
		return nil
	}
	pointer, err := e.Pointers.Pointer(ctx, run.Projection)
	if errors.Is(err, projection.ErrNoPointer) {
		return nil // reported later
	}
	if err != nil {
		return err
	}
	for _, v := range pointer.Versions {
		if v.RunID == run.ID || v.State != projection.Building && v.State != projection.Scratch {
			continue
		}
		running, err := e.Runs.Running(ctx, v.RunID)
		if err != nil {
			return fmt.Errorf("asking after run %s: %w", v.RunID, err)
		}
		if running {
			return e.underWay(run.Projection, v.RunID)
		}
		if v.State == projection.Scratch && run.Mode != ModeScratch {
			continue // it may still be in use
		}
		observe.Logger(ctx).Warn().Str(observe.FieldProjection, pointer.Table(v).String()).Str("leftBy", v.RunID).Msg("reproject:leftover")
		discarded, err := e.discard(ctx, pointer.Table(v))
		if err != nil {
			return err
		}
		if discarded && v.State == projection.Scratch {
			run.Dropped = append(run.Dropped, v.Number) // report it, since it may be missed
		}
	}
	return nil
}

// discard takes a version that is neither active nor previous off the pointer, then drops its table, so that
// no later reader of the pointer looks for that table. It returns false if readers were switched to the
// version meanwhile.
func (e *Engine) discard(ctx context.Context, t projection.Table) (bool, error) {
	kept := false
	_, err := e.changePointer(ctx, t.Projection, func(p *projection.Pointer) (bool, error) {
		i := slices.IndexFunc(p.Versions, func(v projection.Version) bool { return v.Number == t.Version })
		kept = i >= 0 && (p.Versions[i].State == projection.Active || p.Versions[i].State == projection.Previous)
		if i < 0 || kept {
			return false, nil
		}
		p.Versions = slices.Delete(p.Versions, i, i+1)
		return true, nil
	})
	if err != nil {
		return false, fmt.Errorf("discarding %s: %w", t, err)
	}
	if kept {
		observe.Logger(ctx).Warn().Str(observe.FieldProjection, t.String()).Msg("reproject:kept")
		return false, nil
	}
	if err := e.Tables.Drop(ctx, t); err != nil {
		return false, fmt.Errorf("dropping %s: %w", t, err)
	}
	return true, nil
}
