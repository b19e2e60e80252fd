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

// Driver runs the steps in this process, in the order in which Step Functions runs them on
// AWS. It keeps the run as it goes in a blob, so that a run that was cut off can go on.
type Driver struct {
	Engine  *Engine
	Workers int // parts that are replayed, or verified, at once

	// Alone reports that there is no live delivery which could know an older pointer, nor can any
	// come that does: then nobody is waited for after Join. Nil: there may be.
	Alone func() bool
	// Approve decides about the switch when the request wants a person to; it is asked with
	// the run as verified. When it is nil the answer comes through Engine.Decide.
	Approve func(ctx context.Context, run Run) (Decision, error)
	// Soaking hears that the run has switched and only waits from now on: other runs need not
	// wait for it. May be nil.
	Soaking func()
}

// stage is one step, or one wait between steps, as the driver knows it.
type stage struct {
	name string
	do   func(context.Context, Run) (Run, error)
}

// stages are what comes after Prepare, for each kind of run. infra/reproject.asl.json has the
// same; a test compares them.
func (d *Driver) stages(mode Mode) []stage {
	e := d.Engine
	replay := []stage{{"Plan", e.Plan}, {"Replay", d.replay}, {"Collect", e.Collect}}
	switch mode {
	case ModeHeal:
		return []stage{{"Heal", untilDone(e.Heal, func(r Run) bool { return r.Heal.Done })}}
	case ModeDryRun, ModeScratch:
		return replay
	}
	return append(replay,
		stage{"Join", e.Join}, stage{"JoinWait", d.joinWait},
		stage{"CatchUp", untilDone(e.CatchUp, func(r Run) bool { return r.CatchUp.Done })},
		stage{"StartVerify", e.StartVerify}, stage{"VerifyParts", d.verifyParts}, stage{"Verify", e.Verify},
		stage{"Approve", d.approve}, stage{"Switch", e.Switch},
		stage{"Soak", d.soak}, stage{"Cleanup", d.cleanup})
}

// Run runs a request from its beginning to its end. A run that fails before readers were
// switched leaves nothing behind but what it reports; one that fails afterwards has switched,
// and its error says what is left to do. One that is stopped in its soak fails with *CutInSoak.
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

// Resume goes on with a run that was cut off.
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
	stages := d.stages(run.Mode)
	from := slices.IndexFunc(stages, func(s stage) bool { return s.name == run.Step }) + 1
	for _, s := range stages[from:] {
		d.Engine.progress(Progress{RunID: run.ID, Step: s.name})
		started := d.Engine.Now()
		after, err := s.do(ctx, run)
		if err != nil && s.name == "Soak" {
			return after, &CutInSoak{after, err}
		}
		if err != nil {
			return d.abandon(ctx, after, err)
		}
		run = after.timed(s.name, d.Engine.Now().Sub(started))
		run.Step = s.name
		if err := d.save(ctx, run); err != nil {
			return d.abandon(ctx, run, err)
		}
	}
	return run, nil
}

func (d *Driver) save(ctx context.Context, run Run) error {
	return d.Engine.put(ctx, run.key("run.json"), run)
}

// abandonLimit bounds what is done after ctx has ended.
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

// untilDone calls a step again until it says that it is done.
func untilDone(step func(context.Context, Run) (Run, error), done func(Run) bool) func(context.Context, Run) (Run, error) {
	return func(ctx context.Context, run Run) (Run, error) {
		for {
			after, err := step(ctx, run)
			if err != nil || done(after) {
				return after, err
			}
			run = after
		}
	}
}

// replay replays all parts, the largest first, so that no worker is left with a large one at
// the end.
func (d *Driver) replay(ctx context.Context, run Run) (Run, error) {
	var items []Item
	if err := d.Engine.get(ctx, run.Plan.Key, &items); err != nil {
		return run, err
	}
	slices.SortStableFunc(items, func(a, b Item) int { return int(b.Events - a.Events) })
	all := Progress{RunID: run.ID, Step: "Replay", Unit: "events"}
	for _, item := range items {
		all.Total += item.Events
	}
	d.Engine.progress(all)
	err := d.each(ctx, run, len(items), func(ctx context.Context, i int) error {
		_, err := d.Engine.ReplayPart(ctx, run, items[i])
		return err
	})
	return run, err
}

func (d *Driver) verifyParts(ctx context.Context, run Run) (Run, error) {
	d.Engine.progress(Progress{RunID: run.ID, Step: "VerifyParts", Total: run.Replay.Rows, Unit: "rows"})
	return run, d.each(ctx, run, len(run.Verify.Parts), func(ctx context.Context, i int) error {
		_, err := d.Engine.VerifyPart(ctx, run, run.Verify.Parts[i])
		return err
	})
}

// each does n things, some at once.
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

func (d *Driver) joinWait(ctx context.Context, run Run) (Run, error) {
	if d.Alone != nil && d.Alone() {
		return run, nil
	}
	return run, d.Engine.sleep(ctx, d.Engine.JoinWait())
}

func (d *Driver) approve(ctx context.Context, run Run) (Run, error) {
	if !run.Request.Approve {
		return run, nil
	}
	if err := d.Engine.AskApproval(ctx, run, ""); err != nil {
		return run, err
	}
	if d.Approve == nil {
		return run, d.Engine.awaitDecision(ctx, run)
	}
	decision, err := d.Approve(ctx, run)
	if err == nil {
		err = d.Engine.Decide(ctx, run.Projection, run.ID, decision)
	}
	if err != nil {
		return run, fmt.Errorf("asking for the approval: %w", err)
	}
	return run, d.Engine.awaitDecision(ctx, run)
}

func (d *Driver) soak(ctx context.Context, run Run) (Run, error) {
	if run.Request.Soak == nil {
		return run, nil
	}
	if d.Soaking != nil {
		d.Soaking()
	}
	return run, d.Engine.soakOut(ctx, &run)
}

func (d *Driver) cleanup(ctx context.Context, run Run) (Run, error) {
	if run.Request.Soak == nil {
		return d.Engine.KeepOne(ctx, run)
	}
	return d.Engine.Cleanup(ctx, run)
}
