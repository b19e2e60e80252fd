package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/wait"
)

// The state machine does not crash: Step Functions keeps it. What it calls does: each state is
// an invocation of the reproject function, in a process of its own, which goes on when the
// state has run out of time and is tried again.
const (
	lambdaTimeout = 15 * time.Minute
	maxAttempts   = 4
)

// state is one state of the state machine.
type state struct {
	name string
	do   func(x *execution, ctx context.Context) error
}

// states are those that follow on Prepare, in their order.
func (x *execution) states() []state {
	replay := []state{task("Plan"), {"Replay", (*execution).replay}, task("Collect")}
	switch x.run.Mode {
	case rebuild.ModeHeal:
		return []state{{"Heal", (*execution).heal}}
	case rebuild.ModeDryRun, rebuild.ModeScratch:
		return replay
	}
	all := append(replay, task("Join"), state{"JoinWait", (*execution).joinWait}, state{"CatchUp", (*execution).catchUp},
		task("StartVerify"), state{"VerifyParts", (*execution).verifyParts}, task("Verify"),
		state{"Approve", (*execution).approve}, task("Switch"), state{"Soak", (*execution).soak}, state{"Cleanup", (*execution).cleanup})
	if x.w.mutation.Order == nil {
		return all
	}
	var ordered []state
	for _, name := range x.w.mutation.Order {
		ordered = append(ordered, all[slices.IndexFunc(all, func(s state) bool { return s.name == name })])
	}
	return ordered
}

func task(name string) state {
	return state{name, func(x *execution, ctx context.Context) error { return x.step(ctx, name) }}
}

// play goes through the states. infra/reproject.asl.json is held to the same order by a test of
// package rebuild.
func (x *execution) play(ctx context.Context) error {
	if err := x.step(ctx, "Prepare"); err != nil {
		return err
	}
	for _, s := range x.states() {
		x.reaches(s.name)
		if before := x.w.mutation.Before[s.name]; before != nil {
			before(&x.run)
		}
		if err := s.do(x, ctx); err != nil {
			if ctx.Err() == nil {
				x.abandon(ctx, err)
			}
			return err
		}
	}
	return nil
}

// abandon is the state that every failure leads to.
func (x *execution) abandon(ctx context.Context, cause error) {
	x.invoke(ctx, rebuild.Task{Step: "Abandon", Run: &x.run, Failure: &rebuild.Failure{Error: "Failed", Cause: cause.Error()}}, &x.run) //nolint:errcheck // the next run takes away what is left
}

// step is a state that takes the run and gives back what it has become.
func (x *execution) step(ctx context.Context, name string) error {
	t := rebuild.Task{Step: name, Run: &x.run}
	if name == "Prepare" {
		input, err := json.Marshal(x.request)
		if err != nil {
			return err
		}
		t = rebuild.Task{Step: name, RunID: x.id, Request: input}
	}
	return x.invoke(ctx, t, &x.run)
}

func (x *execution) catchUp(ctx context.Context) error {
	for {
		if err := x.step(ctx, "CatchUp"); err != nil || x.run.CatchUp.Done {
			return err
		}
	}
}

func (x *execution) heal(ctx context.Context) error {
	for {
		if err := x.step(ctx, "Heal"); err != nil || x.run.Heal.Done {
			return err
		}
	}
}

// approve asks a person, when the request wants one, who takes some time.
func (x *execution) approve(ctx context.Context) error {
	if !x.request.Approve {
		return nil
	}
	if err := x.invoke(ctx, rebuild.Task{Step: "Approve", Run: &x.run, Token: "token"}, nil); err != nil {
		return err
	}
	if err := wait.For(ctx, x.person.takes); err != nil || x.person.approves {
		return err
	}
	return errNotApproved
}

func (x *execution) joinWait(ctx context.Context) error {
	err := wait.For(ctx, time.Duration(x.run.Waits.Join)*time.Second)
	x.noteLog()
	return err
}

func (x *execution) soak(ctx context.Context) error {
	return wait.For(ctx, time.Duration(x.run.Waits.Soak)*time.Second)
}

func (x *execution) cleanup(ctx context.Context) error {
	if x.request.Soak == nil {
		return x.step(ctx, "KeepOne")
	}
	return x.step(ctx, "Cleanup")
}

// replay is the distributed map over the work list, which the state machine reads by itself.
func (x *execution) replay(ctx context.Context) error {
	raw, err := x.w.blobs.Get(ctx, x.run.Plan.Key)
	if err != nil {
		return err
	}
	var items []rebuild.Item
	if err := json.Unmarshal(raw, &items); err != nil {
		return err
	}
	return x.each(ctx, len(items), func(ctx context.Context, i int) error {
		return x.invoke(ctx, rebuild.Task{Step: "ReplayPart", Run: &x.run, Item: &items[i]}, nil)
	})
}

func (x *execution) verifyParts(ctx context.Context) error {
	return x.each(ctx, len(x.run.Verify.Parts), func(ctx context.Context, i int) error {
		return x.invoke(ctx, rebuild.Task{Step: "VerifyPart", Run: &x.run, Part: &x.run.Verify.Parts[i]}, nil)
	})
}

// each does n things at once and answers the first failure, when all have ended.
func (x *execution) each(ctx context.Context, n int, do func(context.Context, int) error) error {
	failures := make(chan error, n)
	for i := range n {
		go func() { failures <- do(ctx, i) }()
	}
	var first error
	for range n {
		if err := <-failures; first == nil {
			first = err
		}
	}
	return first
}

// invoke lets the reproject function do a task, again when that may help. Retries are those of
// the state machine: on what a new try may cure, and when the state's time is up.
func (x *execution) invoke(ctx context.Context, t rebuild.Task, into *rebuild.Run) error {
	var err error
	for attempt := range maxAttempts {
		if attempt > 0 {
			if err := wait.For(ctx, time.Second<<attempt); err != nil {
				return err
			}
		}
		var answer []byte
		if answer, err = x.attempt(ctx, t); err == nil && into != nil {
			var run rebuild.Run
			err = json.Unmarshal(answer, &run)
			*into = run
			return err
		}
		if err == nil || ctx.Err() != nil || fault.ClassOf(err) != fault.Infra {
			return err
		}
	}
	return err
}

var errNotApproved = fmt.Errorf("%w: the person said no", rebuild.ErrFailed)

var errStateTimeout = fault.Unavailable(errors.New("States.Timeout"))

// attempt is one invocation of the reproject function, in a process of its own.
func (x *execution) attempt(ctx context.Context, t rebuild.Task) ([]byte, error) {
	type outcome struct {
		answer []byte
		err    error
	}
	ended := make(chan outcome, 1)
	limit := lambdaTimeout
	err := x.process.pass(ctx, decides, "state "+taskName(t), func(context.Context) error {
		p := x.w.s.start(fmt.Sprintf("reproject-%d", x.w.s.started+1))
		p.speed = x.w.someSpeed() * x.w.brisk
		if x.w.s.random.Float64() < x.w.hurry {
			p.speed = [...]float64{0.1, 0.03, 0.01}[x.w.s.random.IntN(3)] // and comes late with all the rest
			limit = time.Duration(1 + x.w.s.random.Int64N(int64(3*pointerTTL)))
		}
		var answer []byte
		p.run(func(ctx context.Context) (err error) {
			ctx, cancel := context.WithTimeout(ctx, lambdaTimeout)
			defer cancel()
			result, err := x.w.rebuilder(p).Do(ctx, t)
			if err == nil {
				answer, err = json.Marshal(result)
			}
			return err
		}, func(err error) {
			x.w.s.history.note(p.name, "ends %s: %v", taskName(t), err)
			x.w.s.forget(p)
			ended <- outcome{answer, err}
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case o := <-ended:
		return o.answer, o.err
	case <-timer.C:
		return nil, errStateTimeout
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func taskName(t rebuild.Task) string {
	switch {
	case t.Item != nil:
		return t.Step + " " + t.Item.Part
	case t.Part != nil:
		return fmt.Sprintf("%s %d", t.Step, t.Part.Index)
	}
	return t.Step
}
