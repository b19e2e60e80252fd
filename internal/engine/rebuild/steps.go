package rebuild

import (
	"context"
	"slices"
)

// Step names a step of a run in the state machine, in log lines and stored runs, and on the command line.
type Step string

// The steps. A run begins with Prepare and goes through the stages of its mode.
const (
	StepPrepare     Step = "Prepare"
	StepPlan        Step = "Plan"
	StepReplay      Step = "Replay"
	StepReplayPart  Step = "ReplayPart" // one part of Replay
	StepCollect     Step = "Collect"
	StepJoin        Step = "Join"
	StepJoinWait    Step = "JoinWait"
	StepCatchUp     Step = "CatchUp"
	StepStartVerify Step = "StartVerify"
	StepVerifyParts Step = "VerifyParts"
	StepVerifyPart  Step = "VerifyPart" // one part of VerifyParts
	StepVerify      Step = "Verify"
	StepApprove     Step = "Approve"
	StepSwitch      Step = "Switch"
	StepSoak        Step = "Soak"
	StepCleanup     Step = "Cleanup"
	StepKeepOne     Step = "KeepOne" // Cleanup of a run without a soak time
	StepHeal        Step = "Heal"
	StepAbandon     Step = "Abandon" // follows every failure
)

// Stage is a step in its place in a run.
type Stage struct {
	Step  Step
	modes []Mode
	// call is the engine's method for the stage. It is nil for parts, waits and approvals, which the driver
	// and the state machine each handle in their own way.
	call func(*Engine, context.Context, Run) (Run, error)
	done func(*Run) bool // nil: done after one call
}

// stages lists every stage in order. A test holds infra/reproject.asl.json to it.
var stages = []Stage{
	{Step: StepHeal, modes: []Mode{ModeHeal}, call: (*Engine).Heal, done: func(r *Run) bool { return r.Heal.Done }},
	{Step: StepPlan, modes: replaying, call: (*Engine).Plan},
	{Step: StepReplay, modes: replaying},
	{Step: StepCollect, modes: replaying, call: (*Engine).Collect},
	{Step: StepJoin, modes: switching, call: (*Engine).Join},
	{Step: StepJoinWait, modes: switching},
	{Step: StepCatchUp, modes: switching, call: (*Engine).CatchUp, done: func(r *Run) bool { return r.CatchUp.Done }},
	{Step: StepStartVerify, modes: switching, call: (*Engine).StartVerify},
	{Step: StepVerifyParts, modes: switching},
	{Step: StepVerify, modes: switching, call: (*Engine).Verify},
	{Step: StepApprove, modes: switching},
	{Step: StepSwitch, modes: switching, call: (*Engine).Switch},
	{Step: StepSoak, modes: switching},
	{Step: StepCleanup, modes: switching, call: (*Engine).Cleanup},
	{Step: StepKeepOne, call: (*Engine).KeepOne},
}

var (
	switching = []Mode{ModeRebuild}
	replaying = []Mode{ModeRebuild, ModeScratch, ModeDryRun}
)

// Stages returns the stages of a run after Prepare, in order.
func Stages(mode Mode) []Stage {
	return slices.DeleteFunc(slices.Clone(stages), func(s Stage) bool { return !slices.Contains(s.modes, mode) })
}

// after returns the stages that follow a step; all of them after Prepare.
func after(stages []Stage, step Step) []Stage {
	return stages[slices.IndexFunc(stages, func(s Stage) bool { return s.Step == step })+1:]
}

// Done reports whether the stage needs no further call.
func (s Stage) Done(run *Run) bool { return s.done == nil || s.done(run) }

// callOf returns the engine's method for a step, or nil if it has none that takes and returns a run.
func callOf(step Step) func(*Engine, context.Context, Run) (Run, error) {
	for _, s := range stages {
		if s.Step == step {
			return s.call
		}
	}
	return nil
}
