package rebuild

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
)

// Approval is the question whether to switch, and its context.
type Approval struct {
	Run     Run           `json:"run"`
	Report  string        `json:"report"`          // key of the verification report
	Token   string        `json:"token,omitempty"` // token of the waiting Step Functions task
	AskedAt event.Instant `json:"askedAt"`
}

// Decision is an operator's answer to an Approval.
type Decision struct {
	Approved bool          `json:"approved"`
	By       string        `json:"by,omitempty"`
	Reason   string        `json:"reason,omitempty"`
	At       event.Instant `json:"at"`
}

// AskApproval stores the question where the operator's tool finds it. Token names the Step Functions task
// that waits for the decision; it is "" for the embedded driver, which polls for one (see awaitDecision).
func (e *Engine) AskApproval(ctx context.Context, run Run, token string) error {
	question := Approval{Run: run, Report: run.Verify.Report, Token: token, AskedAt: e.instant()}
	if err := e.put(ctx, run.key("approval.json"), question); err != nil {
		return err
	}
	observe.Logger(e.context(ctx, &run)).Info().Str("report", run.Verify.Report).Msg("reproject:approve")
	return nil
}

// PendingApproval returns the question that a run waits on.
func (e *Engine) PendingApproval(ctx context.Context, projection, runID string) (Approval, error) {
	var a Approval
	run := Run{ID: runID, Projection: projection}
	err := e.get(ctx, run.key("approval.json"), &a)
	if errors.Is(err, eventlog.ErrNoBlob) {
		return a, refused("run %s of %s does not wait for an approval", runID, projection)
	}
	return a, err
}

// Question returns these errors for a run that may yet wait.
var (
	// ErrNotYet means that a run will wait for an approval but has not reached that step.
	ErrNotYet = errors.New("not yet")
	// ErrNoRun means that no run that could wait is under way.
	ErrNoRun = errors.New("no run is going on")
)

// Question returns the pending approval among a projection's runs that are under way. It fails with
// ErrNotYet, with ErrNoRun, or with only ErrRefused if no run will wait.
func (e *Engine) Question(ctx context.Context, name string, runs []UnderWay) (Approval, error) {
	switched := ""
	for i := range runs {
		u := &runs[i]
		if u.Switched() {
			switched = fmt.Sprintf("; run %s has switched readers already", u.ID)
			continue
		}
		if !u.AtWork {
			return Approval{}, refused("run %s of %s was cut off in %s: nobody works on it, so nobody would hear an answer; go on with it first (projection rebuild %s --resume last), or drop it (projection abandon %s)",
				u.ID, name, u.Stage, name, name)
		}
		a, err := e.PendingApproval(ctx, name, u.ID)
		switch {
		case !errors.Is(err, ErrRefused):
			return a, err
		case !u.Request.Approve:
			return a, refused("run %s of %s was started without --approve: once it is verified it switches readers by itself; it is in %s", u.ID, name, u.Stage)
		}
		return a, fmt.Errorf("%w: run %s of %s does not wait for an answer before it is verified; it is in %s", ErrNotYet, u.ID, name, u.Stage)
	}
	return Approval{}, fmt.Errorf("%w: %w for %s%s: \"projection runs %s\" lists those there were", ErrRefused, ErrNoRun, name, switched, name)
}

// Decide stores the decision for a driver that polls for it.
func (e *Engine) Decide(ctx context.Context, projection, runID string, d Decision) error {
	if _, err := e.PendingApproval(ctx, projection, runID); err != nil {
		return err
	}
	run := Run{ID: runID, Projection: projection}
	d.At = e.instant()
	return e.put(ctx, run.key("decision.json"), d)
}

// approvalPoll is how often awaitDecision looks for the decision.
const approvalPoll = 500 * time.Millisecond

// awaitDecision waits for the operator's decision. It fails with ErrFailed if the switch was not approved.
func (e *Engine) awaitDecision(ctx context.Context, run Run) error {
	for {
		var d Decision
		err := e.get(ctx, run.key("decision.json"), &d)
		switch {
		case err == nil && d.Approved:
			return nil
		case err == nil:
			return failed("the switch was not approved: %s", d.Reason)
		case !errors.Is(err, eventlog.ErrNoBlob):
			return err
		}
		if err := e.sleep(ctx, approvalPoll); err != nil {
			return fmt.Errorf("waiting for the approval: %w", err)
		}
	}
}
