// Package operator provides what operators do with an installation: see its state, rebuild read models, find
// operations. It is the same for a data folder and a stack on AWS; a Host implements the differences.
package operator

import (
	"context"
	"time"

	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/credential"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/engine/retire"
	"gakushoku/internal/engine/seal"
	"gakushoku/internal/engine/subject"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/event"
	"gakushoku/internal/observe/spans"
	"gakushoku/internal/operate/timeline"
)

// Host has the operations that a data folder and a stack implement differently.
type Host interface {
	// Versions returns the state of the events and the read models, without counting rows.
	Versions(ctx context.Context) (Status, error)
	// EachEvent calls do with every event of the log, in order. The event is valid until do returns.
	EachEvent(ctx context.Context, do func(*event.Event) error) error
	// Lines returns the log lines since a time; if it is zero, as far back as is sensible.
	Lines(since time.Time) timeline.Lines
	// Slowest returns the slowest operations that began since a time, at most limit.
	Slowest(ctx context.Context, since time.Time, limit int) ([]spans.Operation, spans.Source, error)
	// TraceURL returns the address of a trace with a placeholder for its id; "" if it is unknown.
	TraceURL() string

	// Rebuild executes a request from beginning to end.
	Rebuild(ctx context.Context, request rebuild.Request, o RebuildOptions) (rebuild.Run, error)
	// ResumeRebuild continues a run that was cut off, or follows one that is in progress.
	ResumeRebuild(ctx context.Context, projection, runID string, o RebuildOptions) (rebuild.Run, error)
	// RunsOf returns the runs of a projection that have not ended.
	RunsOf(ctx context.Context, pointer projection.Pointer) ([]rebuild.UnderWay, error)
	// Outcome adds what the host knows to a run that has not recorded its end.
	Outcome(ctx context.Context, past *rebuild.Past) error
	// Stop ends a run, or returns an error if the host cannot.
	Stop(ctx context.Context, run *rebuild.UnderWay, reason string) error
	// Answer passes a decision to the run that waits for it.
	Answer(ctx context.Context, a rebuild.Approval, d rebuild.Decision) error
	// Lock prevents others from changing the versions of a projection.
	Lock(projection string) (unlock func(), err error)
	// PointerTTL returns how old a reader's view of a pointer may be.
	PointerTTL(ctx context.Context) time.Duration
}

// Installation is a data folder or a stack, as operators use it.
type Installation struct {
	Host
	Stack    string             // its name on AWS; "" for a data folder
	Engine   *rebuild.Engine    // for everything but runs
	Models   *verify.ReadModels // verifies, explains and heals rows
	LogCheck *logcheck.Log      // checks the numbered log
	Seals    *seal.Check        // compares it with its signed checkpoints; nil if there are none

	Checkpoints projection.Checkpoints // of readers, such as the round that signs the log; nil if there are none
	Process     Processes
	Handler     *command.Handler // executes commands
	Subjects    subject.Keys     // of who sent commands
	Streams     subject.Streams  // the event store, for tombstones
	Retirer     *retire.Retirer  // retires closed streams; nil where that cannot be done
	Sweep       SweepFunc        // looks for plain text where only the host can
	Finder      timeline.Finder  // finds operations; Timelines sets Lines and Limit
	Partial     bool             // stores of a data folder could not be opened

	Credentials credential.Store // device keys, and secrets of sessions; nil if its store could not be opened
}

// SweepFunc calls found for each place outside of events and log that holds one of the texts: log files,
// traces, rows.
type SweepFunc func(ctx context.Context, texts []string, found func(place, text string)) error

// RebuildOptions are how a run reports its progress, and who approves its switch.
type RebuildOptions struct {
	Progress func(rebuild.Progress)                                       // may be nil; called by several goroutines
	Approve  func(context.Context, rebuild.Run) (rebuild.Decision, error) // nil: another process decides
}

// Timelines returns a finder of operations, with at most limit log lines and events of each. It searches log
// lines since a time; if it is zero, as far back as is sensible.
func (i *Installation) Timelines(limit int, since time.Time) *timeline.Finder {
	finder := i.Finder
	finder.Lines, finder.Limit = i.Lines(since), limit
	return &finder
}

// pointer returns the pointer of a known projection.
func (i *Installation) pointer(ctx context.Context, name string) (projection.Pointer, error) {
	if err := i.Engine.Known(name); err != nil {
		return projection.Pointer{}, err
	}
	return i.Engine.Pointers.Pointer(ctx, name)
}

// underWay returns the runs of a known projection that have not ended.
func (i *Installation) underWay(ctx context.Context, name string) ([]rebuild.UnderWay, error) {
	pointer, err := i.pointer(ctx, name)
	if err != nil {
		return nil, err
	}
	return i.RunsOf(ctx, pointer)
}

// lock calls Lock for a known projection.
func (i *Installation) lock(name string) (unlock func(), err error) {
	if err := i.Engine.Known(name); err != nil {
		return nil, err
	}
	return i.Lock(name)
}

// History returns the latest runs of a projection, the newest first.
func (i *Installation) History(ctx context.Context, name string, limit int) ([]rebuild.Past, error) {
	if err := i.Engine.Known(name); err != nil {
		return nil, err
	}
	past, err := i.Engine.History(ctx, name, limit)
	for k := range past {
		if err == nil && !past[k].Ended {
			err = i.Outcome(ctx, &past[k])
		}
	}
	return past, err
}

// Abandon ends the runs of a projection and drops their versions.
func (i *Installation) Abandon(ctx context.Context, name string) ([]rebuild.Run, error) {
	unlock, err := i.lock(name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	runs, err := i.underWay(ctx, name)
	if err != nil {
		return nil, err
	}
	const reason = "abandoned by the operator"
	for k := range runs {
		if err := i.Stop(ctx, &runs[k], reason); err != nil {
			return nil, err
		}
	}
	return i.Engine.AbandonAll(ctx, runs, reason)
}

// Approval returns the question that a run of a projection waits for an answer to.
func (i *Installation) Approval(ctx context.Context, name string) (rebuild.Approval, error) {
	runs, err := i.underWay(ctx, name)
	if err != nil {
		return rebuild.Approval{}, err
	}
	return i.Engine.Question(ctx, name, runs)
}

// Decide stores the decision on the question of a run.
func (i *Installation) Decide(ctx context.Context, a rebuild.Approval, d rebuild.Decision) error {
	if err := i.Answer(ctx, a, d); err != nil {
		return err
	}
	return i.Engine.Decide(ctx, a.Run.Projection, a.Run.ID, d)
}

// Rollback switches readers back to the previous version of a projection.
func (i *Installation) Rollback(ctx context.Context, name string, force bool) (rebuild.RolledBack, error) {
	if err := i.Engine.Known(name); err != nil {
		return rebuild.RolledBack{}, err
	}
	return i.Engine.GoBack(ctx, name, force)
}

// CleanUp drops the previous and scratch versions of a projection once no reader can see them.
func (i *Installation) CleanUp(ctx context.Context, name string, force bool) ([]int, error) {
	unlock, err := i.lock(name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	engine := *i.Engine
	engine.Settings.PointerTTL = i.PointerTTL(ctx)
	return engine.Clean(ctx, name, force)
}
