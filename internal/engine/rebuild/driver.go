package rebuild

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"gakushoku/internal/engine/eventlog"
)

// Driver runs the steps in this process, in the same order as Step Functions does on AWS. It saves the run in
// a blob after each step, so that an interrupted run can be resumed.
type Driver struct {
	Engine  *Engine
	Workers int // parts that are replayed or verified concurrently

	// Alone reports whether no projector can hold a stale pointer; if so, the wait after Join is skipped. If
	// Alone is nil, the driver waits.
	Alone func() bool
	// Approve asks an operator whether to switch, if the request requires approval. It receives the verified
	// run. If nil, the decision comes through Engine.Decide.
	Approve func(ctx context.Context, run Run) (Decision, error)
	// Soaking is called when the run has switched and only waits from then on, so that other runs may start.
	// It may be nil.
	Soaking func()
}

// Run carries out a request from beginning to end. A run that fails before the switch leaves only its reports
// behind. One that fails afterwards has switched, and its error says what is left to do. One that is stopped
// during its soak fails with *CutInSoak.
func (d *Driver) Run(ctx context.Context, runID string, request Request) (Run, error) {
	run, err := d.Engine.Prepare(ctx, runID, request)
	if errors.Is(err, ErrRefused) {
		return run, err
	}
	if err == nil {
		err = d.save(ctx, run)
	}
	if err != nil {
		return d.abandon(ctx, run, err)
	}
	return d.goOn(ctx, run)
}

// Resume continues an interrupted run.
func (d *Driver) Resume(ctx context.Context, name, runID string) (Run, error) {
	run := Run{ID: runID, Projection: name}
	err := d.Engine.get(ctx, run.key("run.json"), &run)
	if errors.Is(err, eventlog.ErrNoBlob) {
		return run, refused("there is no run %s of %s", runID, name)
	}
	if err != nil {
		return run, err
	}
	return d.goOn(ctx, run)
}

func (d *Driver) goOn(ctx context.Context, run Run) (Run, error) {
	for _, s := range after(Stages(run.Mode), run.Step) {
		d.Engine.progress(Progress{RunID: run.ID, Step: s.Step})
		started := d.Engine.Now()
		became, err := d.do(ctx, run, s)
		if err != nil && s.Step == StepSoak {
			return became, &CutInSoak{became, err}
		}
		if err != nil {
			return d.abandon(ctx, became, err)
		}
		run = became.timed(s.Step, d.Engine.Now().Sub(started))
		run.Step = s.Step
		if err := d.save(ctx, run); err != nil {
			return d.abandon(ctx, run, err)
		}
	}
	return run, nil
}

func (d *Driver) do(ctx context.Context, run Run, s Stage) (Run, error) {
	switch s.Step {
	case StepReplay:
		return run, d.replay(ctx, run)
	case StepJoinWait:
		return run, d.joinWait(ctx)
	case StepVerifyParts:
		return run, d.verifyParts(ctx, run)
	case StepApprove:
		return run, d.approve(ctx, run)
	case StepSoak:
		return run, d.soak(ctx, run)
	case StepCleanup:
		if run.Request.Soak == nil {
			return d.Engine.KeepOne(ctx, run)
		}
	}
	for {
		became, err := s.call(d.Engine, ctx, run)
		if err != nil || s.Done(&became) {
			return became, err
		}
		run = became
	}
}

func (d *Driver) save(ctx context.Context, run Run) error {
	return d.Engine.put(ctx, run.key("run.json"), run)
}

// abandonLimit bounds the cleanup after ctx has ended.
const abandonLimit = 30 * time.Second

func (d *Driver) abandon(ctx context.Context, run Run, cause error) (Run, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonLimit)
	defer cancel()
	after, err := d.Engine.Abandon(ctx, run, cause.Error())
	if err != nil {
		return run, errors.Join(cause, err)
	}
	return after, cause
}

// replay replays all parts, the largest first, so that no worker is left with a large one at the end.
func (d *Driver) replay(ctx context.Context, run Run) error {
	var items []Item
	if err := d.Engine.get(ctx, run.Plan.Key, &items); err != nil {
		return err
	}
	slices.SortStableFunc(items, func(a, b Item) int { return int(b.Events - a.Events) })
	all := Progress{RunID: run.ID, Step: StepReplay, Unit: "events"}
	for _, item := range items {
		all.Total += item.Events
	}
	d.Engine.progress(all)
	return d.each(ctx, run, len(items), func(ctx context.Context, i int) error {
		_, err := d.Engine.ReplayPart(ctx, run, items[i])
		return err
	})
}

func (d *Driver) verifyParts(ctx context.Context, run Run) error {
	d.Engine.progress(Progress{RunID: run.ID, Step: StepVerifyParts, Total: run.Replay.Rows, Unit: "rows"})
	return d.each(ctx, run, len(run.Verify.Parts), func(ctx context.Context, i int) error {
		_, err := d.Engine.VerifyPart(ctx, run, run.Verify.Parts[i])
		return err
	})
}

// each calls do for 0 to n-1, several at a time.
func (d *Driver) each(ctx context.Context, run Run, n int, do func(context.Context, int) error) error {
	workers := max(1, d.Workers)
	if limit := run.Request.MaxConcurrency; limit > 0 {
		workers = min(workers, limit)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i := range n {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return do(ctx, i)
		})
	}
	return group.Wait()
}

func (d *Driver) joinWait(ctx context.Context) error {
	if d.Alone != nil && d.Alone() {
		return nil
	}
	return d.Engine.sleep(ctx, d.Engine.JoinWait())
}

func (d *Driver) approve(ctx context.Context, run Run) error {
	if !run.Request.Approve {
		return nil
	}
	if err := d.Engine.AskApproval(ctx, run, ""); err != nil {
		return err
	}
	if d.Approve == nil {
		return d.Engine.awaitDecision(ctx, run)
	}
	decision, err := d.Approve(ctx, run)
	if err == nil {
		err = d.Engine.Decide(ctx, run.Projection, run.ID, decision)
	}
	if err != nil {
		return fmt.Errorf("asking for the approval: %w", err)
	}
	return d.Engine.awaitDecision(ctx, run)
}

func (d *Driver) soak(ctx context.Context, run Run) error {
	if run.Request.Soak == nil {
		return nil
	}
	if d.Soaking != nil {
		d.Soaking()
	}
	return d.Engine.soakOut(ctx, &run)
}
