package reproject

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
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
