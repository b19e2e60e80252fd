package reproject

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/event"
	"gakushoku/internal/eventlog"
	"gakushoku/internal/observe"
	"gakushoku/internal/projection"
)

// Approval is what a person is asked before the switch, and what was answered.
type Approval struct {
	Run     Run           `json:"run"`
	Report  string        `json:"report"`          // key of the verification's report
	Token   string        `json:"token,omitempty"` // of the Step Functions task that waits
	AskedAt event.Instant `json:"askedAt"`
}

// Decision is a person's answer.
type Decision struct {
	Approved bool          `json:"approved"`
	By       string        `json:"by,omitempty"`
	Reason   string        `json:"reason,omitempty"`
	At       event.Instant `json:"at"`
}

// AskApproval leaves the question where the operator's tool finds it. Token is that of the
// task which waits for the answer; "" embedded, where Decided looks for it.
func (e *Engine) AskApproval(ctx context.Context, run Run, token string) error {
	question := Approval{Run: run, Report: run.Verify.Report, Token: token, AskedAt: e.instant()}
	if err := e.put(ctx, run.key("approval.json"), question); err != nil {
		return err
	}
	observe.Logger(e.context(ctx, &run)).Info().Str("report", run.Verify.Report).Msg("reproject:approve")
	return nil
}

// PendingApproval is the question that a run waits with.
func (e *Engine) PendingApproval(ctx context.Context, projection, runID string) (Approval, error) {
	var a Approval
	run := Run{ID: runID, Projection: projection}
	err := e.get(ctx, run.key("approval.json"), &a)
	if errors.Is(err, eventlog.ErrNoBlob) {
		return a, refused("run %s of %s does not wait for an approval", runID, projection)
	}
	return a, err
}

// Waiting is the question that the run which builds a version of a projection waits with.
func (e *Engine) Waiting(ctx context.Context, name string) (Approval, error) {
	pointer, err := e.Pointers.Pointer(ctx, name)
	if err != nil {
		return Approval{}, err
	}
	for _, v := range pointer.Versions {
		if v.State == projection.Building {
			return e.PendingApproval(ctx, name, v.RunID)
		}
	}
	return Approval{}, refused("no run of %s is going on", name)
}

// Decide leaves the answer for a driver that looks for it.
func (e *Engine) Decide(ctx context.Context, projection, runID string, d Decision) error {
	if _, err := e.PendingApproval(ctx, projection, runID); err != nil {
		return err
	}
	run := Run{ID: runID, Projection: projection}
	d.At = e.instant()
	return e.put(ctx, run.key("decision.json"), d)
}

// approvalPoll is how often the answer is looked for.
const approvalPoll = 500 * time.Millisecond

// awaitDecision waits until a person has answered. It fails with ErrFailed when the answer is no.
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
