package embedded

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"gakushoku/internal/app/operator"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/timeline"
)

// The limits of a rebuild in a data folder. The parts are small for a laptop: each of two workers holds the
// rows of one part in memory.
const (
	partEvents    = 1_000_000
	partBytes     = 128 << 20
	catchUpBudget = time.Minute
)

// host implements operator.Host for a data folder.
type host struct{ folder *Folder }

// installation builds what operators use of a folder. It omits stores that could not be opened.
func installation(f *Folder) *operator.Installation {
	i := operator.New(&f.Ports, host{f}, runs{f.Dir}, rebuild.Settings{
		PointerTTL: pointerTTL, ProjectorTimeout: projectorTimeout, LagBound: lagBound, PartEvents: partEvents, PartBytes: partBytes,
		VerifyParts: 1, Workers: runtime.GOMAXPROCS(0), CatchUpBudget: catchUpBudget,
	}, archivePatience)
	if f.Control != nil {
		i.Credentials, i.Checkpoints = f.Control, f.Control
	}
	i.Engine.Archive, i.Sweep = f.Archive, f.sweep
	i.Models.Check = f.CheckChanges
	if f.Events != nil && f.Ledger != nil {
		i.LogCheck.Batch, i.Retirer = f.batchOf, f.Ports.Retirer(0)
	}
	if i.Partial = f.Broken() != nil; i.Partial {
		log := archived{f.Dir}
		i.Finder = timeline.Finder{Streams: log, Numbers: log, EachEvent: log.EachEvent}
		return i
	}
	i.Models.Misfit, i.LogCheck.Misfit = f.eventsMisfit, f.misfit
	i.LogCheck.Unarchived = f.unarchived
	i.LogCheck.CatchUp, i.LogCheck.Waiting = f.archiveSound, f.ArchiveFollower().Waiting
	i.Finder.EachEvent = f.eachEventThere
	return i
}

// EachEvent implements operator.Host. It brings the log up to date first.
func (h host) EachEvent(ctx context.Context, do func(*event.Event) error) error {
	if err := h.folder.Archive(ctx); err != nil {
		return err
	}
	return eachEvent(ctx, h.folder.Log(), do)
}

// TraceURL implements operator.Host. It is unknown where a folder's traces are shown.
func (host) TraceURL() string { return "" }

// Rebuild implements operator.Host. A server may keep writing to the folder meanwhile. A second run of the
// same projection is refused (rebuild.ErrRefused).
func (h host) Rebuild(ctx context.Context, request rebuild.Request, o operator.RebuildOptions) (rebuild.Run, error) {
	runID := observe.NewID()
	return h.drive(ctx, request.Projection, runID, o, func(d *rebuild.Driver) (rebuild.Run, error) {
		return d.Run(ctx, runID, request)
	})
}

// ResumeRebuild implements operator.Host: it continues a run that was cut off.
func (h host) ResumeRebuild(ctx context.Context, projection, runID string, o operator.RebuildOptions) (rebuild.Run, error) {
	return h.drive(ctx, projection, runID, o, func(d *rebuild.Driver) (rebuild.Run, error) {
		return d.Resume(ctx, projection, runID)
	})
}

// drive performs a run under two locks: the run's, which shows that a process works on it, and the
// projection's, which prevents other runs. It releases the projection's lock once the run only soaks: other
// runs do no harm then, as on AWS.
func (h host) drive(ctx context.Context, name, runID string, o operator.RebuildOptions, run func(*rebuild.Driver) (rebuild.Run, error)) (rebuild.Run, error) {
	f := h.folder
	if err := f.Engine.Known(name); err != nil {
		return rebuild.Run{}, err
	}
	if err := f.CheckChanges(ctx); err != nil {
		return rebuild.Run{}, err
	}
	unlock, err := h.Lock(name)
	if err != nil {
		return rebuild.Run{}, err
	}
	defer unlock()
	over, err := beginRun(ctx, f.Dir, name, runID)
	if err != nil {
		return rebuild.Run{}, err
	}
	defer over()
	engine := *f.Engine
	engine.Progress = o.Progress
	result, err := run(&rebuild.Driver{Engine: &engine, Workers: runtime.GOMAXPROCS(0), Alone: h.alone, Approve: o.Approve, Soaking: unlock})
	f.Pointers.Forget(name)
	return result, err
}

// alone reports whether no server has the folder. A server that starts later reads the pointers anew.
func (h host) alone() bool { return !isServed(h.folder.Dir) }

// RunsOf implements operator.Host.
func (h host) RunsOf(ctx context.Context, pointer projection.Pointer) ([]rebuild.UnderWay, error) {
	return h.folder.Engine.RunsOf(ctx, pointer)
}

// Outcome implements operator.Host. Only the run's own process knows more about it.
func (h host) Outcome(ctx context.Context, past *rebuild.Past) (err error) {
	past.AtWork, err = runs{h.folder.Dir}.Running(ctx, past.Run.ID)
	return err
}

// Stop implements operator.Host. It refuses a run that is in progress, which ends with its process.
func (host) Stop(_ context.Context, run *rebuild.UnderWay, _ string) error {
	if !run.AtWork {
		return nil
	}
	return fmt.Errorf("%w: run %s of %s has switched readers to %s, and only soaks: \"projection cleanup %s\" drops the old version now, which ends it; Ctrl-C where it runs keeps the old version",
		rebuild.ErrRefused, run.ID, run.Projection, run.Table(), run.Projection)
}

// Answer implements operator.Host. A run polls for the decision that the engine stores.
func (host) Answer(context.Context, rebuild.Approval, rebuild.Decision) error { return nil }

// Lock implements operator.Host.
func (h host) Lock(projection string) (unlock func(), err error) {
	return lockRuns(h.folder.Dir, projection)
}

// PointerTTL implements operator.Host.
func (host) PointerTTL(context.Context) time.Duration { return pointerTTL }
