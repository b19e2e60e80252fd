// Package stack is a deployed stack as the operator's command line works with it: the same
// things that it does with a data folder, but rebuilds run as executions of the state machine,
// which this process starts and follows.
package stack

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/edge/stepfunctions"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/observe"
)

// Machine is what a Stack needs of the state machine; an *stepfunctions.Machine has it.
type Machine interface {
	Start(ctx context.Context, runID string, request rebuild.Request) error
	Stop(ctx context.Context, runID, reason string) error
	Execution(ctx context.Context, runID string) (stepfunctions.Execution, error)
	State(ctx context.Context, runID string) (rebuild.Step, error)
	Answer(ctx context.Context, token string, d rebuild.Decision) error
}

// Stack is an installation on AWS.
type Stack struct {
	Name    string
	Region  string
	Engine  *rebuild.Engine // for what is done beside runs
	Machine Machine
	Log     *eventlog.Reader
	Archive *logcheck.Log
	Models  *verify.ReadModels
	Logs    Logs
	Poll    time.Duration // how often a run is looked at

	// PointerTTL is how long readers rely on what they know of a pointer.
	PointerTTL func(context.Context) (time.Duration, error)
}

// poll is how often a run is looked at: often enough for a person, and far below the limits of
// the service.
const poll = 2 * time.Second

// Open opens a stack by its name.
func Open(ctx context.Context, name string) (*Stack, error) {
	s, err := lambdas.OpenStack(ctx, name)
	if err != nil {
		return nil, err
	}
	return &Stack{
		Name: name, Region: s.Cloud.Region, Engine: s.Engine, Machine: s.Machine, Log: s.Log(), Archive: s.ArchiveLog(), Models: s.ReadModels(), Logs: logsOf(s.Cloud.Config, name), Poll: poll,
		PointerTTL: func(ctx context.Context) (time.Duration, error) { return pointerTTL(ctx, s.Cloud.Config, name) },
	}, nil
}

// ArchiveLog is what an operator does about the log of the stack.
func (s *Stack) ArchiveLog() *logcheck.Log { return s.Archive }

// ReadModels is what an operator does about the rows of the stack.
func (s *Stack) ReadModels() *verify.ReadModels { return s.Models }

// EachEvent calls do with every event of the log, in its order. The event is do's until it
// returns.
func (s *Stack) EachEvent(ctx context.Context, do func(*event.Event) error) error {
	head, err := s.Log.Head(ctx)
	if err != nil {
		return fmt.Errorf("reading the head of the log: %w", err)
	}
	return s.Log.Events(ctx, 0, head.Number, func(_ uint64, e *event.Event) error { return do(e) })
}

// Versions is where the read models stand. Reading every row of a table has its price on AWS,
// so rows are not counted.
func (s *Stack) Versions(ctx context.Context) (embedded.Status, error) {
	head, err := s.Log.Head(ctx)
	if err != nil {
		return embedded.Status{}, fmt.Errorf("reading the head of the log: %w", err)
	}
	status := embedded.Status{Stack: s.Name, Head: head.Number}
	for _, name := range s.Models.Names() {
		pointer, err := s.Engine.Pointers.Pointer(ctx, name)
		if errors.Is(err, projection.ErrNoPointer) {
			continue // its first event sets it up
		}
		if err != nil {
			return status, err
		}
		p := embedded.ProjectionStatus{Name: name, Versions: pointer.Versions}
		if p.Runs, err = s.runs(ctx, pointer); err != nil {
			return status, err
		}
		status.Projections = append(status.Projections, p)
	}
	return status, nil
}

// runs are those that have not come to their end. The service knows the state that each is in,
// and what it was asked to do.
func (s *Stack) runs(ctx context.Context, pointer projection.Pointer) ([]rebuild.UnderWay, error) {
	runs, err := s.Engine.RunsOf(ctx, pointer)
	if err != nil {
		return nil, err
	}
	for i := range runs {
		run := &runs[i]
		x, err := s.Machine.Execution(ctx, run.ID)
		if errors.Is(err, stepfunctions.ErrNoExecution) {
			continue
		}
		if err == nil {
			run.Request = x.Request
			run.SoakUntil = s.Engine.SoakUntil(&run.Run)
			run.Stage, err = s.Machine.State(ctx, run.ID)
		}
		if err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// Status is Versions, with the streams that are set aside counted.
func (s *Stack) Status(ctx context.Context) (embedded.Status, error) {
	status, err := s.Versions(ctx)
	for i := range status.Projections {
		p := &status.Projections[i]
		if err != nil {
			break
		}
		for _, v := range p.Versions {
			if v.State == projection.Active {
				table, parked := projection.Table{Projection: p.Name, Version: v.Number}.String(), 0
				p.Parked = &parked
				err = s.Models.EachParked(ctx, p.Name, func(r verify.ParkedRow) error {
					if r.Table == table {
						parked++
					}
					return nil
				})
			}
		}
	}
	return status, err
}

// Rebuild starts a run as an execution of the state machine and follows it to its end. When ctx
// ends the execution goes on: ResumeRebuild follows it again, Abandon ends it.
func (s *Stack) Rebuild(ctx context.Context, request rebuild.Request, o embedded.RebuildOptions) (rebuild.Run, error) {
	if err := s.Engine.Check(ctx, &request); err != nil {
		return rebuild.Run{}, err
	}
	runID := observe.NewID()
	if err := s.Machine.Start(ctx, runID, request); err != nil {
		return rebuild.Run{}, err
	}
	return s.follow(ctx, request.Projection, runID, o)
}

// ResumeRebuild follows a run that is going on.
func (s *Stack) ResumeRebuild(ctx context.Context, name, runID string, o embedded.RebuildOptions) (rebuild.Run, error) {
	return s.follow(ctx, name, runID, o)
}

// follow looks at a run until it has ended.
func (s *Stack) follow(ctx context.Context, name, runID string, o embedded.RebuildOptions) (rebuild.Run, error) {
	watch := &watch{Stack: s, projection: name, runID: runID, report: o.Progress}
	for {
		x, err := s.Machine.Execution(ctx, runID)
		if err == nil && x.Running() {
			err = watch.look(ctx)
		}
		if err == nil && x.Running() {
			err = wait.For(ctx, s.Poll)
		}
		switch {
		case ctx.Err() != nil && watch.step == rebuild.StepSoak:
			return rebuild.Run{}, fmt.Errorf("run %s goes on without being followed: it has switched readers to its version, and soaks; the version before is kept and still written until then (projection cleanup %s drops it now, projection rollback %s goes back to it): %w", runID, name, name, ctx.Err())
		case ctx.Err() != nil:
			return rebuild.Run{}, fmt.Errorf("run %s goes on without being followed (projection rebuild %s --resume %s follows it again, projection abandon %s ends it): %w", runID, name, runID, name, ctx.Err())
		case fault.ClassOf(err) == fault.Infra:
			return rebuild.Run{}, fmt.Errorf("the state of run %s is unknown; if it was going on, it still is (projection rebuild %s --resume %s follows it again): %w", runID, name, runID, err)
		case err != nil:
			return rebuild.Run{}, err
		case !x.Running():
			return ended(runID, &x)
		}
	}
}

// ended is what came of a run.
func ended(runID string, x *stepfunctions.Execution) (rebuild.Run, error) {
	if x.Error == "" && x.Cause == "" && x.Run.ID != "" {
		return x.Run, nil
	}
	reason := reasonOf(x)
	if x.Error == "Refused" {
		return rebuild.Run{}, fmt.Errorf("%w: %s", rebuild.ErrRefused, reason)
	}
	return rebuild.Run{}, fmt.Errorf("run %s is %s: %s", runID, x.Status, reason)
}

// reasonOf is why a run has failed: its cause is the name of the error that ended it, and what
// the service or the function said.
func reasonOf(x *stepfunctions.Execution) string {
	name, cause, ok := strings.Cut(x.Cause, ": ")
	if !ok {
		return strings.TrimPrefix(x.Error+": "+x.Cause, ": ")
	}
	return (&rebuild.Failure{Error: name, Cause: cause}).Reason()
}

// Abandon stops the runs of a projection and takes their versions away.
func (s *Stack) Abandon(ctx context.Context, name string) ([]rebuild.Run, error) {
	if err := s.Engine.Known(name); err != nil {
		return nil, err
	}
	pointer, err := s.Engine.Pointers.Pointer(ctx, name)
	if err != nil {
		return nil, err
	}
	runs, err := s.runs(ctx, pointer)
	if err != nil {
		return nil, err
	}
	const reason = "abandoned by the operator"
	for _, run := range runs {
		if err := s.Machine.Stop(ctx, run.ID, reason); err != nil && !errors.Is(err, stepfunctions.ErrNoExecution) {
			return nil, err
		}
	}
	return s.Engine.AbandonAll(ctx, runs, reason)
}

// History are the latest runs of a projection, the newest first. Of those that have not failed
// the service knows how they ended, or where they are.
func (s *Stack) History(ctx context.Context, name string, limit int) ([]rebuild.Past, error) {
	if err := s.Engine.Known(name); err != nil {
		return nil, err
	}
	past, err := s.Engine.History(ctx, name, limit)
	for i := range past {
		if err == nil && !past[i].Ended {
			err = s.lookInto(ctx, name, &past[i])
		}
	}
	return past, err
}

func (s *Stack) lookInto(ctx context.Context, name string, p *rebuild.Past) error {
	x, err := s.Machine.Execution(ctx, p.Run.ID)
	if errors.Is(err, stepfunctions.ErrNoExecution) {
		return nil
	}
	if err != nil {
		return err
	}
	if x.Running() {
		p.AtWork = true
		return s.whereIs(ctx, name, p)
	}
	p.Ended = true
	if run, failed := ended(p.Run.ID, &x); failed != nil {
		p.Reason = reasonOf(&x)
	} else {
		p.Run = run
	}
	return nil
}

// whereIs notes where a run is that is going on.
func (s *Stack) whereIs(ctx context.Context, name string, p *rebuild.Past) (err error) {
	if p.Stage, err = s.Machine.State(ctx, p.Run.ID); err != nil {
		return err
	}
	pointer, err := s.Engine.Pointers.Pointer(ctx, name)
	if err != nil {
		return err
	}
	runs, err := s.runs(ctx, pointer)
	for i := range runs {
		if runs[i].ID == p.Run.ID {
			p.Run, p.SoakUntil = runs[i].Run, runs[i].SoakUntil
		}
	}
	return err
}

// Approval is the question with which a run of a projection waits.
func (s *Stack) Approval(ctx context.Context, name string) (rebuild.Approval, error) {
	if err := s.Engine.Known(name); err != nil {
		return rebuild.Approval{}, err
	}
	pointer, err := s.Engine.Pointers.Pointer(ctx, name)
	if err != nil {
		return rebuild.Approval{}, err
	}
	runs, err := s.runs(ctx, pointer)
	if err != nil {
		return rebuild.Approval{}, err
	}
	return s.Engine.Question(ctx, name, runs)
}

// Decide answers the question of a run, and keeps the answer beside it.
func (s *Stack) Decide(ctx context.Context, a rebuild.Approval, d rebuild.Decision) error {
	if err := s.Machine.Answer(ctx, a.Token, d); err != nil {
		return err
	}
	return s.Engine.Decide(ctx, a.Run.Projection, a.Run.ID, d)
}

// Rollback shows readers the previous version of a projection again.
func (s *Stack) Rollback(ctx context.Context, name string, force bool) (rebuild.RolledBack, error) {
	if err := s.Engine.Known(name); err != nil {
		return rebuild.RolledBack{}, err
	}
	return s.Engine.GoBack(ctx, name, force)
}

// CleanUp drops the previous and the scratch versions of a projection, when nobody can read
// them any more. Where the time that this takes cannot be found out, for want of a permission, it
// waits the longest there is.
func (s *Stack) CleanUp(ctx context.Context, name string, force bool) ([]int, error) {
	if err := s.Engine.Known(name); err != nil {
		return nil, err
	}
	engine := *s.Engine
	if ttl, err := s.PointerTTL(ctx); err == nil {
		engine.Settings.PointerTTL = ttl
	} else {
		observe.Logger(ctx).Warn().Err(err).Str("waits", (2 * engine.Settings.PointerTTL).String()).Msg("reproject:pointerTtlUnknown")
	}
	return engine.Clean(ctx, name, force)
}
