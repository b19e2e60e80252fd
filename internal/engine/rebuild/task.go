package rebuild

import (
	"context"
	"encoding/json"
	"errors"

	"gakushoku/internal/fault"
)

// Task is one request from the state machine to its function.
type Task struct {
	Step    Step            `json:"step"`
	RunID   string          `json:"runId,omitempty"`   // for Prepare: the execution's name
	Request json.RawMessage `json:"request,omitempty"` // for Prepare: the execution's input
	Run     *Run            `json:"run,omitempty"`     // for all others
	Item    *Item           `json:"item,omitempty"`    // for ReplayPart
	Part    *VerifyItem     `json:"part,omitempty"`    // for VerifyPart
	Token   string          `json:"token,omitempty"`   // for Approve
	Failure *Failure        `json:"failure,omitempty"` // for Abandon
}

// UnmarshalJSON is strict, like reading a run's input: only the state machine makes tasks, so a field that
// the function does not know is a bug in one of the two.
func (t *Task) UnmarshalJSON(raw []byte) error {
	type plain Task
	if _, err := readStrictly(raw, (*plain)(t)); err != nil {
		return Refused{refusedAlways("the task is not as it should be: %v", err)}
	}
	return nil
}

// UnmarshalJSON is strict.
func (i *Item) UnmarshalJSON(raw []byte) error {
	type plain Item
	_, err := readStrictly(raw, (*plain)(i))
	return err
}

// UnmarshalJSON is strict.
func (i *VerifyItem) UnmarshalJSON(raw []byte) error {
	type plain VerifyItem
	_, err := readStrictly(raw, (*plain)(i))
	return err
}

// Failure is what Step Functions reports about the failed state.
type Failure struct {
	Error string `json:"Error"`
	Cause string `json:"Cause"`
}

// Reason returns the failure's message. For an error of the function itself, that is a field of the JSON in
// Cause.
func (f *Failure) Reason() string {
	if f == nil {
		return "the run was stopped"
	}
	var cause struct {
		Message string `json:"errorMessage"`
	}
	if json.Unmarshal([]byte(f.Cause), &cause) == nil && cause.Message != "" {
		return cause.Message
	}
	return f.Error + ": " + f.Cause
}

// The errors of Do. The state machine retries and catches them by their type names.
type (
	// Refused means that the request makes no sense or comes at the wrong time.
	Refused struct{ error }
	// Failed means that the run must end.
	Failed struct{ error }
	// Unavailable means that a retry may succeed.
	Unavailable struct{ error }
	// Broken means that the code or a setting must be changed.
	Broken struct{ error }
)

func (e Refused) Unwrap() error     { return e.error }
func (e Failed) Unwrap() error      { return e.error }
func (e Unavailable) Unwrap() error { return e.error }
func (e Broken) Unwrap() error      { return e.error }

// named gives an error the type by which the state machine knows it.
func named(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrRefused):
		return Refused{err}
	case errors.Is(err, ErrFailed):
		return Failed{err}
	case fault.ClassOf(err) == fault.Infra:
		return Unavailable{err}
	}
	return Broken{err}
}

// Do runs one step for the state machine. It returns the run's next state, or the result of a part.
func (e *Engine) Do(ctx context.Context, t Task) (any, error) {
	answer, err := e.do(ctx, t)
	if err != nil {
		return nil, named(err)
	}
	return answer, nil
}

func (e *Engine) do(ctx context.Context, t Task) (any, error) {
	if t.Step == StepPrepare {
		request, err := ParseRequest(t.Request)
		if err != nil {
			return nil, err
		}
		return e.Prepare(ctx, t.RunID, request)
	}
	if t.Run == nil {
		return nil, refused("step %q has no run", t.Step)
	}
	switch t.Step {
	case StepReplayPart:
		if t.Item == nil {
			return nil, refused("ReplayPart has no item")
		}
		return e.ReplayPart(ctx, *t.Run, *t.Item)
	case StepVerifyPart:
		if t.Part == nil {
			return nil, refused("VerifyPart has no part")
		}
		return e.VerifyPart(ctx, *t.Run, *t.Part)
	case StepApprove:
		return t.Run, e.AskApproval(ctx, *t.Run, t.Token)
	case StepAbandon:
		return e.Abandon(ctx, *t.Run, t.Failure.Reason())
	}
	call := callOf(t.Step)
	if call == nil {
		return nil, refused("there is no step %q", t.Step)
	}
	return call(e, ctx, *t.Run)
}

// Of returns the id of the run that the task belongs to.
func (t *Task) Of() string {
	if t.Run != nil {
		return t.Run.ID
	}
	return t.RunID
}
