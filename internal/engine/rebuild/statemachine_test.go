package rebuild_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/rebuild"
)

// machine runs infra/reproject.asl.json as Step Functions would, as far as that file uses the
// language (https://states-language.net), with the engine's Do as the function. Everything
// goes through JSON, as it does there.
type machine struct {
	t      testing.TB
	engine *rebuild.Engine
	blobs  eventlog.Blobs
	name   string // of the execution
	input  any
	path   []string // the states it went through
	ask    func(token string) error
	lose   string // a part whose failure the map does not notice
}

type asl struct {
	StartAt string
	States  map[string]aslState
}

type aslState struct {
	Type, Resource, Next, Default, SecondsPath, ItemsPath, OutputPath, CausePath, Error string
	End                                                                                 bool
	Parameters, ItemSelector                                                            map[string]any
	ResultPath                                                                          json.RawMessage
	TimeoutSeconds                                                                      int
	Retry, Catch                                                                        []struct {
		ErrorEquals      []string
		Next, ResultPath string
	}
	Choices       []aslChoice
	ItemReader    struct{ Parameters map[string]any }
	ItemProcessor asl
}

type aslChoice struct {
	Variable, StringEquals, Next string
	BooleanEquals, IsPresent     *bool
	NumericEquals                *float64
	And                          []aslChoice
}

// aslError is what a state fails with.
type aslError struct{ name, cause string }

func (e *aslError) Error() string { return e.name + ": " + e.cause }

func readMachine(t testing.TB) asl {
	t.Helper()
	raw, err := os.ReadFile("../../../infra/reproject.asl.json")
	if err != nil {
		t.Fatal(err)
	}
	var m asl
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// maxTransitions bounds a run that would go round for ever.
const maxTransitions = 200

func (m *machine) run(ctx context.Context, states asl, data any) (any, error) {
	at := states.StartAt
	for range maxTransitions {
		s, ok := states.States[at]
		if !ok {
			m.t.Fatalf("there is no state %q", at)
		}
		m.path = append(m.path, at)
		out, next, err := m.state(ctx, &s, data)
		var failed *aslError
		if errors.As(err, &failed) {
			next, out = m.catch(&s, failed, data)
			if next == "" {
				return nil, failed
			}
		} else if err != nil {
			return nil, err
		}
		if s.End || s.Type == "Succeed" {
			return out, nil
		}
		at, data = next, out
	}
	return nil, errors.New("the run goes round")
}

func (m *machine) catch(s *aslState, failed *aslError, data any) (string, any) {
	for _, c := range s.Catch {
		if slices.Contains(c.ErrorEquals, "States.ALL") || slices.Contains(c.ErrorEquals, failed.name) {
			failure := map[string]any{"Error": failed.name, "Cause": failed.cause}
			if c.ResultPath == "" {
				return c.Next, failure
			}
			return c.Next, set(data, c.ResultPath, failure)
		}
	}
	return "", nil
}

func (m *machine) state(ctx context.Context, s *aslState, data any) (out any, next string, err error) {
	switch s.Type {
	case "Task":
		out, err = m.task(ctx, s, data)
		return out, s.Next, err
	case "Choice":
		for _, c := range s.Choices {
			if m.chosen(c, data) {
				return data, c.Next, nil
			}
		}
		return data, s.Default, nil
	case "Wait":
		if _, ok := m.at(data, s.SecondsPath).(float64); !ok {
			m.t.Errorf("%s is no number of seconds", s.SecondsPath)
		}
		return data, s.Next, nil
	case "Map":
		return data, s.Next, m.items(ctx, s, data)
	case "Fail":
		return nil, "", &aslError{s.Error, m.format(s.CausePath, data)}
	}
	return data, s.Next, nil
}

func (m *machine) task(ctx context.Context, s *aslState, data any) (any, error) {
	if s.TimeoutSeconds == 0 {
		m.t.Errorf("a task without a timeout: %v", s.Parameters)
	}
	for attempt := 0; ; attempt++ {
		answer, err := m.invoke(ctx, s, data)
		var failed *aslError
		if errors.As(err, &failed) && attempt < 3 && len(s.Retry) > 0 && slices.Contains(s.Retry[0].ErrorEquals, failed.name) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var path *string
		if len(s.ResultPath) > 0 {
			if err := json.Unmarshal(s.ResultPath, &path); err != nil {
				return nil, err
			}
			if path == nil {
				return data, nil
			}
			return set(data, *path, answer), nil
		}
		return answer, nil // OutputPath is $.Payload, which is the answer
	}
}

// invoke calls the function with what Parameters make of the data.
func (m *machine) invoke(ctx context.Context, s *aslState, data any) (any, error) {
	payload, ok := m.fill(s.Parameters, data).(map[string]any)["Payload"]
	if !ok {
		m.t.Fatal("a task without a payload")
	}
	raw, err := json.Marshal(payload)
	if err != nil {
		return nil, err
	}
	var task rebuild.Task
	if err := json.Unmarshal(raw, &task); err != nil {
		m.t.Fatalf("the function cannot read %s: %v", raw, err)
	}
	if task.Item != nil && task.Item.Part == m.lose {
		return map[string]any{}, nil
	}
	answer, err := m.engine.Do(ctx, task)
	if err == nil && strings.HasSuffix(s.Resource, ".waitForTaskToken") {
		err = m.ask(task.Token)
	}
	if err != nil {
		// aws-lambda-go names an error by its type.
		cause, _ := json.Marshal(map[string]string{"errorType": reflect.TypeOf(err).Name(), "errorMessage": err.Error()})
		return nil, &aslError{reflect.TypeOf(err).Name(), string(cause)}
	}
	return decoded(m.t, answer), nil
}

func (m *machine) items(ctx context.Context, s *aslState, data any) error {
	var items []any
	if s.ItemsPath != "" {
		items = m.at(data, s.ItemsPath).([]any)
	} else {
		raw, err := m.blobs.Get(ctx, m.fill(s.ItemReader.Parameters, data).(map[string]any)["Key"].(string))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(raw, &items); err != nil {
			return err
		}
	}
	for _, item := range items {
		selected := m.fill(s.ItemSelector, map[string]any{"\x00item": item, "\x00data": data})
		path := m.path
		_, err := m.run(ctx, s.ItemProcessor, selected)
		m.path = path
		if err != nil {
			return err
		}
	}
	return nil
}

// fill resolves the fields whose names end in ".$".
func (m *machine) fill(template any, data any) any {
	fields, ok := template.(map[string]any)
	if !ok {
		return template
	}
	filled := map[string]any{}
	for name, value := range fields {
		if short, isPath := strings.CutSuffix(name, ".$"); isPath {
			filled[short] = m.at(data, value.(string))
		} else {
			filled[name] = m.fill(value, data)
		}
	}
	return filled
}

// at is the value at a path.
func (m *machine) at(data any, path string) any {
	if selecting, ok := data.(map[string]any); ok && selecting["\x00data"] != nil {
		if path == "$$.Map.Item.Value" {
			return selecting["\x00item"]
		}
		data = selecting["\x00data"]
	}
	switch path {
	case "$":
		return data
	case "$$.Execution.Name":
		return m.name
	case "$$.Execution.Input":
		return m.input
	case "$$.Task.Token":
		return "the-token"
	}
	for name := range strings.SplitSeq(strings.TrimPrefix(path, "$."), ".") {
		fields, ok := data.(map[string]any)
		if !ok {
			return nil
		}
		data = fields[name]
	}
	return data
}

// format is what a States.Format of two paths makes.
func (m *machine) format(call string, data any) string {
	arguments, ok := strings.CutPrefix(strings.TrimSuffix(call, ")"), "States.Format('{}: {}', ")
	first, second, two := strings.Cut(arguments, ", ")
	if !ok || !two {
		m.t.Fatalf("%s is more than this machine understands", call)
	}
	return fmt.Sprintf("%v: %v", m.at(data, first), m.at(data, second))
}

func set(data any, path string, value any) any {
	fields := map[string]any{}
	for name, v := range data.(map[string]any) {
		fields[name] = v
	}
	fields[strings.TrimPrefix(path, "$.")] = value
	return fields
}

func (m *machine) chosen(c aslChoice, data any) bool {
	if len(c.And) > 0 {
		return !slices.ContainsFunc(c.And, func(part aslChoice) bool { return !m.chosen(part, data) })
	}
	value := m.at(data, c.Variable)
	switch {
	case c.IsPresent != nil:
		return (value != nil) == *c.IsPresent
	case c.BooleanEquals != nil:
		return value == *c.BooleanEquals
	case c.NumericEquals != nil:
		return value == *c.NumericEquals
	}
	return value == c.StringEquals
}

func decoded(t testing.TB, v any) any {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var plain any
	if err := json.Unmarshal(raw, &plain); err != nil {
		t.Fatal(err)
	}
	return plain
}

// execute runs the state machine with an input.
func (w *world) execute(name, input string) (*machine, rebuild.Run, error) {
	w.TB.Helper()
	m := &machine{t: w.TB, engine: w.engine, blobs: w.Blobs, name: name, ask: func(string) error { return nil }}
	return w.executeOn(m, input)
}

func (w *world) executeOn(m *machine, input string) (*machine, rebuild.Run, error) {
	w.TB.Helper()
	if err := json.Unmarshal([]byte(input), &m.input); err != nil {
		w.TB.Fatal(err)
	}
	out, err := m.run(w.TB.Context(), readMachine(w.TB), m.input)
	var run rebuild.Run
	if err == nil {
		raw, _ := json.Marshal(out)
		err = json.Unmarshal(raw, &run)
	}
	return m, run, err
}

func TestTheStateMachineRebuilds(t *testing.T) {
	t.Parallel()
	w := serving(t, 60)
	w.engine.Settings.VerifyParts = 3
	m, run, err := w.execute("x1", `{"projection":"orders","soak":0}`)
	if err != nil {
		t.Fatal(err)
	}
	w.wantStates(map[int]projection.State{2: projection.Active})
	w.wantFolded(version(2))
	if run.Replay.Rows != 60 || !run.Verify.Sound || len(run.Dropped) != 1 {
		t.Errorf("%+v", run)
	}
	want := "Prepare Kind Plan AnyParts Replay Collect Replayed Join JoinWait CatchUp CatchUpDone StartVerify VerifyParts Verify ApprovalWanted Switch SoakWanted Soak Cleanup Done"
	if got := strings.Join(m.path, " "); got != want {
		t.Errorf("went\n%s, want\n%s", got, want)
	}
	if _, run, err = w.execute("x2", `{"projection":"orders","approve":true}`); err != nil || run.Step != "KeepOne" {
		t.Errorf("%+v %v", run, err)
	}
	w.wantStates(map[int]projection.State{2: projection.Previous, 3: projection.Active})
}

func TestTheStateMachineRunsTheOtherKinds(t *testing.T) {
	t.Parallel()
	w := serving(t, 10)
	w.breakRow("order-a002")
	for input, want := range map[string]string{
		`{"projection":"orders","streams":["order-a002"]}`: "Prepare Kind Heal HealDone Done",
		`{"projection":"orders","dryRun":true}`:            "Prepare Kind Plan AnyParts Replay Collect Replayed Done",
		`{"projection":"orders","untilNumber":3}`:          "Prepare Kind Plan AnyParts Replay Collect Replayed Done",
	} {
		m, _, err := w.execute("x"+fmt.Sprint(len(input)), input)
		if got := strings.Join(m.path, " "); err != nil || got != want {
			t.Errorf("%s: went %s, %v", input, got, err)
		}
	}
	w.wantFolded(v1)
}

func TestTheStateMachineFailsReadably(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lives("a", 10)
	w.Place("a001")
	w.MustProject()
	for input, want := range map[string]string{
		`{}`:                                 `is missing: name the read model`,
		`{"projection":"orders","untill":1}`: `unknown field`,
		`"orders"`:                           `Refused: `,
		`{"projection":"orders","dryRun":1}`: `has the wrong type: number`,
		`{"projection":"orders"}`:            `1 streams cannot be folded to their end, 0 are allowed`,
		`{"projection":"orders","soak":"x"}`: `not a time`,
	} {
		_, _, err := w.execute("x", input)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", input, err, want)
		}
		w.wantStates(map[int]projection.State{1: projection.Active})
	}
}

func TestTheStateMachineDoesNotTrustItsMap(t *testing.T) {
	t.Parallel()
	w := serving(t, 40)
	m := &machine{t: t, engine: w.engine, blobs: w.Blobs, name: "x1", lose: "p03"}
	_, _, err := w.executeOn(m, `{"projection":"orders"}`)
	if err == nil || !strings.Contains(err.Error(), "p03") || m.path[len(m.path)-2] != "Abandon" {
		t.Errorf("%v by way of %v", err, m.path)
	}
	w.wantStates(map[int]projection.State{1: projection.Active})
	w.wantNoTables(1)
}

// notApproved is what SendTaskFailure fails the task with.
type notApproved struct{ error }

func TestARefusedApprovalEndsInAbandon(t *testing.T) {
	t.Parallel()
	w := serving(t, 4)
	m := &machine{t: t, engine: w.engine, blobs: w.Blobs, name: "x1"}
	m.ask = func(token string) error {
		asked, err := w.engine.PendingApproval(t.Context(), orders, "x1")
		if err != nil || asked.Token != token || asked.Report == "" {
			t.Errorf("%+v %v", asked, err)
		}
		return notApproved{errors.New("not before lunch")}
	}
	_, _, err := w.executeOn(m, `{"projection":"orders","approve":true}`)
	if err == nil || !slices.Contains(m.path, "Abandon") {
		t.Errorf("%v by way of %v", err, m.path)
	}
	w.wantStates(map[int]projection.State{1: projection.Active})
}

func TestStateMachineGoesThroughTheStages(t *testing.T) {
	t.Parallel()
	w := serving(t, 10)
	for input, mode := range map[string]rebuild.Mode{
		`{"projection":"orders","approve":true,"soak":0}`:  rebuild.ModeRebuild,
		`{"projection":"orders","streams":["order-a002"]}`: rebuild.ModeHeal,
		`{"projection":"orders","dryRun":true}`:            rebuild.ModeDryRun,
		`{"projection":"orders","untilNumber":3}`:          rebuild.ModeScratch,
	} {
		m, run, err := w.execute("x"+fmt.Sprint(len(input)), input)
		if err != nil || run.Mode != mode {
			t.Fatalf("%s is a run of mode %s: %v", input, run.Mode, err)
		}
		var want []string
		for _, s := range rebuild.Stages(mode) {
			want = append(want, string(s.Step))
		}
		choices := []string{"Prepare", "Kind", "HealDone", "AnyParts", "Replayed", "CatchUpDone", "ApprovalWanted", "SoakWanted", "Done"}
		got := slices.DeleteFunc(m.path, func(state string) bool { return slices.Contains(choices, state) })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-table +state machine):\n%s", mode, diff)
		}
	}
}
