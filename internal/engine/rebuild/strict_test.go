package rebuild

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"gakushoku/internal/fault"
)

func TestTasksAreReadStrictly(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]string{
		`{"step":"Plan","run":{"runId":"r1"},"Item":{}}`: `write "item"`,
		`{"step":"Plan","step":"Switch"}`:                `"step" comes twice`,
		`{"step":"Plan","when":"now"}`:                   `unknown field "when"`,
		`{"step":1}`:                                     `"step" has the wrong type: number`,
		`{"step":"ReplayPart","item":{"part":"p","work":"w","events":1,"x":1}}`: `unknown field "x"`,
		`{"step":"VerifyPart","part":{"index":0,"Count":4}}`:                    `write "count"`,
		`[]`: "must be a JSON object",
	} {
		var task Task
		err := json.Unmarshal([]byte(input), &task)
		var refused Refused // the name that the state machine knows
		if !errors.As(err, &refused) || !errors.Is(err, ErrBadRequest) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", input, err, want)
		}
	}
	var task Task
	err := json.Unmarshal([]byte(`{"step":"Abandon","run":{"runId":"r1","failure":{"Error":"Failed"}},"failure":{"Error":"Failed","Cause":"x"}}`), &task)
	if err != nil || task.Of() != "r1" || task.Failure.Cause != "x" {
		t.Errorf("%+v, %v", task, err)
	}
}

func TestATaskThatLacksWhatItsStepNeedsIsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		task Task
		says string
	}{
		"no request": {Task{Step: "Prepare"}, "the input is not as it should be"},
		"no run":     {Task{Step: "Plan"}, "has no run"},
		"no item":    {Task{Step: "ReplayPart", Run: &Run{}}, "has no item"},
		"no part":    {Task{Step: "VerifyPart", Run: &Run{}}, "has no part"},
		"no step":    {Task{Step: "Lunch", Run: &Run{}}, `there is no step "Lunch"`},
	} {
		answer, err := (&Engine{}).Do(t.Context(), test.task)
		var refused Refused
		if answer != nil || !errors.As(err, &refused) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, %v, want %q", name, answer, err, test.says)
		}
	}
}

func TestErrorsOfStepsHaveTheNamesThatTheStateMachineKnows(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	for name, test := range map[string]struct {
		err error
		is  func(error) bool
	}{
		"nothing":     {nil, func(err error) bool { return err == nil }},
		"refused":     {refused("no"), func(err error) bool { _, ok := err.(Refused); return ok }},
		"failed":      {failed("no"), func(err error) bool { _, ok := err.(Failed); return ok }},
		"unavailable": {fault.Unavailable(cause), func(err error) bool { _, ok := err.(Unavailable); return ok }},
		"broken":      {cause, func(err error) bool { _, ok := err.(Broken); return ok }},
	} {
		if got := named(test.err); !test.is(got) || !errors.Is(got, test.err) {
			t.Errorf("%s: %T", name, got)
		}
	}
}
