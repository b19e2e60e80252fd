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
	"gakushoku/internal/fault/retry"
	"gakushoku/internal/fault/wait"
)

// The state machine does not crash: Step Functions keeps it. The functions it calls may: each state is an
// invocation of the reproject function in its own process, which keeps running when the state times out and
// is retried.
const lambdaTimeout = 15 * time.Minute

// taskRetries is how the state machine retries a task.
var taskRetries = retry.Policy{Tries: 4, First: 2 * time.Second, Longest: 8 * time.Second}

// stages returns the run's stages, in an order that a mutation may have changed.
func (x *execution) stages() []rebuild.Stage {
	stages := rebuild.Stages(x.run.Mode)
	if x.w.mutation.Order == nil || x.run.Mode != rebuild.ModeRebuild {
		return stages
	}
	var ordered []rebuild.Stage
	for _, step := range x.w.mutation.Order {
		ordered = append(ordered, stages[slices.IndexFunc(stages, func(s rebuild.Stage) bool { return s.Step == step })])
	}
	return ordered
}

// play goes through the stages, as infra/reproject.asl.json does.
func (x *execution) play(ctx context.Context) error {
	if err := x.step(ctx, rebuild.StepPrepare); err != nil {
		return err
	}
	for _, s := range x.stages() {
		x.reaches(s.Step)
		if before := x.w.mutation.Before[s.Step]; before != nil {
			before(&x.run)
		}
		if err := x.do(ctx, s); err != nil {
			if ctx.Err() == nil {
				x.abandon(ctx, err)
			}
			return err
		}
	}
	return nil
}

func (x *execution) do(ctx context.Context, s rebuild.Stage) error {
	switch s.Step {
	case rebuild.StepReplay:
		return x.replay(ctx)
	case rebuild.StepJoinWait:
		return x.joinWait(ctx)
	case rebuild.StepVerifyParts:
		return x.verifyParts(ctx)
	case rebuild.StepApprove:
		return x.approve(ctx)
	case rebuild.StepSoak:
		return wait.For(ctx, time.Duration(x.run.Waits.Soak)*time.Second)
	case rebuild.StepCleanup:
		if x.request.Soak == nil {
			return x.step(ctx, rebuild.StepKeepOne)
		}
	}
	for {
		if err := x.step(ctx, s.Step); err != nil || s.Done(&x.run) {
			return err
		}
	}
}

// abandon is the state after every failure.
func (x *execution) abandon(ctx context.Context, cause error) {
	x.invoke(ctx, rebuild.Task{Step: rebuild.StepAbandon, Run: &x.run, Failure: &rebuild.Failure{Error: "Failed", Cause: cause.Error()}}, &x.run) //nolint:errcheck // the next run takes away what is left
}

// step is a state that takes the run and returns the changed run.
func (x *execution) step(ctx context.Context, name rebuild.Step) error {
	t := rebuild.Task{Step: name, Run: &x.run}
	if name == rebuild.StepPrepare {
		input, err := json.Marshal(x.request)
		if err != nil {
			return err
		}
		t = rebuild.Task{Step: name, RunID: x.id, Request: input}
	}
	return x.invoke(ctx, t, &x.run)
}

// approve waits for a person's decision when the request asks for one.
func (x *execution) approve(ctx context.Context) error {
	if !x.request.Approve {
		return nil
	}
	if err := x.invoke(ctx, rebuild.Task{Step: rebuild.StepApprove, Run: &x.run, Token: "token"}, nil); err != nil {
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

// replay is the distributed map over the work list. The state machine reads that list itself.
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
		return x.invoke(ctx, rebuild.Task{Step: rebuild.StepReplayPart, Run: &x.run, Item: &items[i]}, nil)
	})
}

func (x *execution) verifyParts(ctx context.Context) error {
	return x.each(ctx, len(x.run.Verify.Parts), func(ctx context.Context, i int) error {
		return x.invoke(ctx, rebuild.Task{Step: rebuild.StepVerifyPart, Run: &x.run, Part: &x.run.Verify.Parts[i]}, nil)
	})
}

// each runs n things at once. When all have ended, it returns the first failure.
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

// invoke lets the reproject function do a task. It retries as the state machine does: after errors that a
// retry may cure, and after a timeout.
func (x *execution) invoke(ctx context.Context, t rebuild.Task, into *rebuild.Run) error {
	var answer []byte
	err := retry.Do(ctx, taskRetries, retry.Unavailable(func() (err error) {
		answer, err = x.attempt(ctx, t)
		return err
	}))
	if err != nil || into == nil {
		return err
	}
	var run rebuild.Run
	err = json.Unmarshal(answer, &run)
	*into = run
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
		return string(t.Step) + " " + t.Item.Part
	case t.Part != nil:
		return fmt.Sprintf("%s %d", t.Step, t.Part.Index)
	}
	return string(t.Step)
}
