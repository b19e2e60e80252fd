// Package stack implements operator.Host for a stack on AWS. Rebuilds run as executions of the state
// machine, which this process starts and follows.
package stack

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gakushoku/internal/app/operator"
	"gakushoku/internal/app/wiring"
	"gakushoku/internal/edge/stepfunctions"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/observe"
)

// Machine has the methods of the state machine that Stack calls. *stepfunctions.Machine implements it.
type Machine interface {
	Start(ctx context.Context, runID string, request rebuild.Request) error
	Stop(ctx context.Context, runID, reason string) error
	Execution(ctx context.Context, runID string) (stepfunctions.Execution, error)
	State(ctx context.Context, runID string) (rebuild.Step, error)
	Answer(ctx context.Context, token string, d rebuild.Decision) error
	rebuild.Runs
}

// Stack implements operator.Host.
type Stack struct {
	Region  string
	Machine Machine
	Logs    Logs
	Poll    time.Duration // the interval in which a run is polled
	// TTL returns how long readers cache a pointer.
	TTL func(context.Context) (time.Duration, error)

	name   string
	engine *rebuild.Engine // for everything but runs
	log    *eventlog.Reader
}

// poll is the default interval in which a run is polled: often enough for a person, and far below the
// service's limits.
const poll = 2 * time.Second

// archivePatience is how long an event may take to reach the log before it counts as missing. The archiver
// gathers events for some seconds, and takes longer after an idle time.
const archivePatience = time.Minute

// Open opens a stack by its name.
func Open(ctx context.Context, name string) (*operator.Installation, error) {
	deployed, err := OpenDeployed(ctx, name)
	if err != nil {
		return nil, err
	}
	return Of(deployed), nil
}

// Of returns the installation of an opened stack.
func Of(s *Deployed) *operator.Installation {
	host := &Stack{
		Region: s.Cloud.Region, Machine: s.Machine, Logs: logsOf(s.Cloud.Config, s.Name), Poll: poll,
		TTL: func(ctx context.Context) (time.Duration, error) { return pointerTTL(ctx, s.Cloud.Config, s.Name) },
	}
	i := host.Over(s.Name, s.Ports, s.Settings)
	i.Credentials, i.Checkpoints = s.Credentials, s.Checkpoints
	return i
}

// Over builds the installation of this host over its ports.
func (s *Stack) Over(name string, p *wiring.Ports, settings rebuild.Settings) *operator.Installation {
	i := operator.New(p, s, s.Machine, settings, archivePatience)
	i.Stack, i.LogCheck.Workers = name, settings.Workers
	i.Sweep = s.sweep
	s.name, s.engine, s.log = name, i.Engine, p.Log()
	return i
}

// EachEvent implements operator.Host.
func (s *Stack) EachEvent(ctx context.Context, do func(*event.Event) error) error {
	head, err := s.log.Head(ctx)
	if err != nil {
		return fmt.Errorf("reading the head of the log: %w", err)
	}
	return s.log.Events(ctx, 0, head.Number, func(_ uint64, e *event.Event) error { return do(e) })
}

// Versions implements operator.Host.
func (s *Stack) Versions(ctx context.Context) (operator.Status, error) {
	head, err := s.log.Head(ctx)
	if err != nil {
		return operator.Status{}, fmt.Errorf("reading the head of the log: %w", err)
	}
	status := operator.Status{Stack: s.name, Head: head.Number}
	for _, name := range s.engine.Projections.Names() {
		pointer, err := s.engine.Pointers.Pointer(ctx, name)
		if errors.Is(err, projection.ErrNoPointer) {
			continue // not set up yet; its first event does that
		}
		if err != nil {
			return status, err
		}
		p := operator.ProjectionStatus{Name: name, Versions: pointer.Versions}
		if p.Runs, err = s.RunsOf(ctx, pointer); err != nil {
			return status, err
		}
		status.Projections = append(status.Projections, p)
	}
	return status, nil
}

// RunsOf implements operator.Host. The service knows the state and the request of each run.
func (s *Stack) RunsOf(ctx context.Context, pointer projection.Pointer) ([]rebuild.UnderWay, error) {
	runs, err := s.engine.RunsOf(ctx, pointer)
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
			run.SoakUntil = s.engine.SoakUntil(&run.Run)
			run.Stage, err = s.Machine.State(ctx, run.ID)
		}
		if err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// Rebuild implements operator.Host: it starts an execution of the state machine and follows it to its end.
// If ctx ends, the execution continues: ResumeRebuild follows it again, Abandon ends it.
func (s *Stack) Rebuild(ctx context.Context, request rebuild.Request, o operator.RebuildOptions) (rebuild.Run, error) {
	if err := s.engine.Check(ctx, &request); err != nil {
		return rebuild.Run{}, err
	}
	runID := observe.NewID()
	if err := s.Machine.Start(ctx, runID, request); err != nil {
		return rebuild.Run{}, err
	}
	return s.follow(ctx, request.Projection, runID, o)
}

// ResumeRebuild implements operator.Host: it follows a run that is in progress.
func (s *Stack) ResumeRebuild(ctx context.Context, name, runID string, o operator.RebuildOptions) (rebuild.Run, error) {
	return s.follow(ctx, name, runID, o)
}

// follow polls a run until it has ended.
func (s *Stack) follow(ctx context.Context, name, runID string, o operator.RebuildOptions) (rebuild.Run, error) {
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

// ended returns the outcome of a run.
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

// reasonOf returns why a run has failed. The cause is the name of the error that ended the run, with the
// message of the service or the function.
func reasonOf(x *stepfunctions.Execution) string {
	name, cause, ok := strings.Cut(x.Cause, ": ")
	if !ok {
		return strings.TrimPrefix(x.Error+": "+x.Cause, ": ")
	}
	return (&rebuild.Failure{Error: name, Cause: cause}).Reason()
}

// Stop implements operator.Host.
func (s *Stack) Stop(ctx context.Context, run *rebuild.UnderWay, reason string) error {
	if err := s.Machine.Stop(ctx, run.ID, reason); err != nil && !errors.Is(err, stepfunctions.ErrNoExecution) {
		return err
	}
	return nil
}

// Outcome implements operator.Host: the service knows how a run ended, or which state it is in.
func (s *Stack) Outcome(ctx context.Context, p *rebuild.Past) error {
	x, err := s.Machine.Execution(ctx, p.Run.ID)
	if errors.Is(err, stepfunctions.ErrNoExecution) {
		return nil
	}
	if err != nil {
		return err
	}
	if x.Running() {
		p.AtWork = true
		return s.locate(ctx, p)
	}
	p.Ended = true
	if run, failed := ended(p.Run.ID, &x); failed != nil {
		p.Reason = reasonOf(&x)
	} else {
		p.Run = run
	}
	return nil
}

// locate records the state of a run that is in progress.
func (s *Stack) locate(ctx context.Context, p *rebuild.Past) (err error) {
	if p.Stage, err = s.Machine.State(ctx, p.Run.ID); err != nil {
		return err
	}
	pointer, err := s.engine.Pointers.Pointer(ctx, p.Run.Projection)
	if err != nil {
		return err
	}
	runs, err := s.RunsOf(ctx, pointer)
	for i := range runs {
		if runs[i].ID == p.Run.ID {
			p.Run, p.SoakUntil = runs[i].Run, runs[i].SoakUntil
		}
	}
	return err
}

// Answer implements operator.Host.
func (s *Stack) Answer(ctx context.Context, a rebuild.Approval, d rebuild.Decision) error {
	return s.Machine.Answer(ctx, a.Token, d)
}

// Lock implements operator.Host: the state machine allows one run of a projection at a time.
func (*Stack) Lock(string) (unlock func(), err error) { return func() {}, nil }

// PointerTTL implements operator.Host. If the stack's setting cannot be read, for lack of a permission, it
// returns the longest possible one.
func (s *Stack) PointerTTL(ctx context.Context) time.Duration {
	ttl, err := s.TTL(ctx)
	if err != nil {
		ttl = s.engine.Settings.PointerTTL
		observe.Logger(ctx).Warn().Err(err).Str("waits", (2 * ttl).String()).Msg("reproject:pointerTtlUnknown")
	}
	return ttl
}
