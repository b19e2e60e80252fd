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

// UnderWay is a run that has not ended: it is being executed or was interrupted.
type UnderWay struct {
	Run
	Stage     Step          `json:"stage"`              // the stage it is in, or was interrupted in
	AtWork    bool          `json:"atWork"`             // it is being executed
	SoakUntil event.Instant `json:"soakUntil,omitzero"` // when a run that has switched drops the old version

	RolledBack bool `json:"rolledBack,omitempty"` // readers are back on the old version, so the run drops none
}

// Switched reports whether readers were switched to the run's version.
func (r *Run) Switched() bool { return r.SwitchedAt != 0 }

// SoakUntil returns when a run that has switched drops the version it replaced; 0 if it does not.
func (e *Engine) SoakUntil(run *Run) event.Instant {
	if run.Request.Soak == nil || !run.Switched() {
		return 0
	}
	return event.InstantOf(run.SwitchedAt.Time().Add(time.Duration(e.soak(run)) * time.Second))
}

// RunsOf returns a projection's runs that have not ended, as their drivers last stored them: those that build
// a version and those that soak.
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
		u.SwitchedAt = v.Since // it was interrupted before it could store that
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

// BroughtTo returns the log number up to which the run that built a version brought it; 0 if unknown.
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

// soaks reports whether the run that built a version may still have to drop another: while readers see its
// version and an older one is kept, or while readers are back on the older one.
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

// stageAfter returns the stage that follows a run's last completed one; "" at its end.
func stageAfter(run *Run) Step {
	if next := after(Stages(run.Mode), run.Step); len(next) > 0 {
		return next[0].Step
	}
	return ""
}

// CutInSoak is the error of a run that was stopped after its switch: readers see its version, the previous
// one is kept and still written, and Resume continues the soak.
type CutInSoak struct {
	Run   Run
	cause error
}

func (e *CutInSoak) Error() string {
	return fmt.Sprintf("run %s was cut off in its soak, readers are on %s: %v", e.Run.ID, e.Run.Table(), e.cause)
}

func (e *CutInSoak) Unwrap() error { return e.cause }

// soakPoll is how often a soaking run checks whether it still has to soak.
const soakPoll = time.Second

// soakOut waits until the old version may be dropped, or until it was dropped by other means. A resumed run
// waits for the remaining time, but at least until every reader knows its version.
func (e *Engine) soakOut(ctx context.Context, run *Run) error {
	whole := time.Duration(run.Waits.Soak) * time.Second
	left := whole
	if gone := e.Now().Sub(run.SwitchedAt.Time()); gone > soakPoll {
		left = max(whole-gone, min(whole, e.readersWait()))
	}
	for left > 0 {
		// If the pointer cannot be read, the next poll tries again.
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
