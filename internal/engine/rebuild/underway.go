package rebuild

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
)

// UnderWay is a run that has not come to its end: somebody works on it, or it was cut off.
type UnderWay struct {
	Run
	Stage     Step          `json:"stage"`              // that it is in, or was cut off in
	AtWork    bool          `json:"atWork"`             // somebody works on it
	SoakUntil event.Instant `json:"soakUntil,omitzero"` // of a run that has switched: when it drops the old version

	RolledBack bool `json:"rolledBack,omitempty"` // readers were taken back to the old version: it drops nothing
}

// Switched reports whether readers were switched to the run's version.
func (r *Run) Switched() bool { return r.SwitchedAt != 0 }

// SoakUntil is when a run that has switched drops the version that it has replaced; 0 when it
// does not.
func (e *Engine) SoakUntil(run *Run) event.Instant {
	if run.Request.Soak == nil || !run.Switched() {
		return 0
	}
	return event.InstantOf(run.SwitchedAt.Time().Add(time.Duration(e.soak(run)) * time.Second))
}

// RunsOf are the runs of a projection that have not come to their end, as their drivers have
// last stored them: those that build a version, and those that soak.
func (e *Engine) RunsOf(ctx context.Context, pointer projection.Pointer) ([]UnderWay, error) {
	var runs []UnderWay
	for _, v := range pointer.Versions {
		if v.State != projection.Building && !soaks(pointer, v) {
			continue
		}
		u, found, err := e.underWayOf(ctx, pointer.Projection, v)
		if err != nil {
			return runs, err
		}
		if found {
			runs = append(runs, u)
		}
	}
	return runs, nil
}

func (e *Engine) underWayOf(ctx context.Context, name string, v projection.Version) (u UnderWay, found bool, err error) {
	u.Run = Run{ID: v.RunID, Projection: name, ToVersion: v.Number, Revision: v.Revision, Mode: ModeRebuild}
	err = e.get(ctx, u.key("run.json"), &u.Run)
	unknown := errors.Is(err, eventlog.ErrNoBlob) // the state machine stores none
	if err != nil && !unknown {
		return u, false, err
	}
	if u.AtWork, err = e.Runs.Running(ctx, u.ID); err != nil {
		return u, false, fmt.Errorf("asking after run %s: %w", u.ID, err)
	}
	u.Stage = stageAfter(&u.Run)
	if v.State == projection.Building {
		return u, true, nil
	}
	if !u.Switched() {
		u.SwitchedAt = v.Since // it was cut off before it could store that
	}
	u.SoakUntil, u.RolledBack = e.SoakUntil(&u.Run), v.State == projection.Previous
	if u.Stage == "" || unknown && !u.AtWork {
		return u, false, nil
	}
	err = e.get(ctx, u.key("abandoned.json"), new(Abandoned))
	if errors.Is(err, eventlog.ErrNoBlob) {
		return u, true, nil
	}
	return u, false, err
}

// BroughtTo is the number of the log's event to which the run that has made a version brought it;
// 0 when that is not known.
func (e *Engine) BroughtTo(ctx context.Context, name string, v projection.Version) (uint64, error) {
	if v.RunID == "" {
		return 0, nil
	}
	run := Run{ID: v.RunID, Projection: name}
	err := e.get(ctx, run.key("run.json"), &run)
	if errors.Is(err, eventlog.ErrNoBlob) || err == nil && run.CatchUp == nil {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return run.CatchUp.Number, nil
}

// soaks reports whether the run that has made a version may still have to drop another: while
// readers see its version and an older one is kept, or while they were taken back to the older one.
func soaks(p projection.Pointer, v projection.Version) bool {
	active, _ := p.ActiveVersion()
	switch {
	case v.RunID == "":
		return false
	case v.State == projection.Active:
		return slices.ContainsFunc(p.Versions, func(other projection.Version) bool { return other.State == projection.Previous })
	}
	return v.State == projection.Previous && active.Number < v.Number
}

// stageAfter is the stage that comes after the last one that a run has done; "" at its end.
func stageAfter(run *Run) Step {
	if next := after(Stages(run.Mode), run.Step); len(next) > 0 {
		return next[0].Step
	}
	return ""
}

// CutInSoak is how a run ends that was stopped after its switch: readers see its version, the
// one before is kept and still written, and Resume goes on with the soak.
type CutInSoak struct {
	Run   Run
	cause error
}

func (e *CutInSoak) Error() string {
	return fmt.Sprintf("run %s was cut off in its soak, readers are on %s: %v", e.Run.ID, e.Run.Table(), e.cause)
}

func (e *CutInSoak) Unwrap() error { return e.cause }

// soakPoll is how often a run that soaks looks whether there is still something to soak for.
const soakPoll = time.Second

// soakOut waits until the old version may be dropped, or until somebody has done that already. A run
// that was cut off waits for what is left, but not less than readers need to know its version.
func (e *Engine) soakOut(ctx context.Context, run *Run) error {
	whole := time.Duration(run.Waits.Soak) * time.Second
	left := whole
	if gone := e.Now().Sub(run.SwitchedAt.Time()); gone > soakPoll {
		left = max(whole-gone, min(whole, e.readersWait()))
	}
	for left > 0 {
		// When the pointer cannot be read, the next look will do.
		if pointer, err := e.Pointers.Pointer(ctx, run.Projection); err == nil && !run.soaksIn(pointer) {
			return nil
		}
		nap := min(left, soakPoll)
		if err := e.sleep(ctx, nap); err != nil {
			return err
		}
		left -= nap
	}
	return nil
}

func (r *Run) soaksIn(pointer projection.Pointer) bool {
	return slices.ContainsFunc(pointer.Versions, func(v projection.Version) bool { return v.Number == r.ToVersion && soaks(pointer, v) })
}
