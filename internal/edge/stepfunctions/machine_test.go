package stepfunctions

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/fault"
	"gakushoku/internal/store/awsfault"
	"gakushoku/internal/store/awsfault/awsfaulttest"
)

const (
	machineARN   = "arn:aws:states:us-east-1:000000000000:stateMachine:canteen-reproject"
	executionARN = "arn:aws:states:us-east-1:000000000000:execution:canteen-reproject:r1"
)

// call is a request as it came to the service.
type call struct {
	Operation string
	Input     map[string]any
}

// service answers every call alike, and notes them.
type service struct {
	status int
	answer string
	calls  []call
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	c := call{Operation: strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AWSStepFunctions.")}
	if json.Unmarshal(raw, &c.Input) != nil {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	s.calls = append(s.calls, c)
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(s.status)
	io.WriteString(w, s.answer)
}

// machine is one whose service answers so.
func machine(t *testing.T, status int, answer string) (*Machine, *service) {
	t.Helper()
	s := &service{status: status, answer: answer}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return machineAt(server.URL), s
}

func machineAt(endpoint string) *Machine {
	client := sfn.New(sfn.Options{Region: "us-east-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("k", "s", "")}, Bounded, func(o *sfn.Options) {
		o.Retryer = awsfault.Retryer(maxAttempts, time.Millisecond)
	})
	return NewMachine(client, machineARN)
}

// executions is a service that knows its executions and one task that waits.
type executions struct {
	t      *testing.T
	inputs map[string]string // by name
	waits  bool
}

func (e *executions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct{ Name, Input, ExecutionARN string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		e.t.Error(err)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	refused := func(code string) { w.WriteHeader(http.StatusBadRequest); io.WriteString(w, refusal(code)) }
	switch strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AWSStepFunctions.") {
	case "StartExecution":
		if _, ok := e.inputs[in.Name]; ok { // as when it has ended already
			refused("ExecutionAlreadyExists")
			return
		}
		e.inputs[in.Name] = in.Input
	case "DescribeExecution":
		json.NewEncoder(w).Encode(map[string]string{"status": "SUCCEEDED", "input": e.inputs[in.ExecutionARN[strings.LastIndexByte(in.ExecutionARN, ':')+1:]]})
		return
	default:
		if !e.waits {
			refused("TaskTimedOut")
			return
		}
		e.waits = false
	}
	io.WriteString(w, `{}`)
}

// once is a plan by which only the first request meets a fault.
func once(f awsfaulttest.Fault) func(*http.Request) awsfaulttest.Fault {
	return func(*http.Request) awsfaulttest.Fault {
		defer func() { f = awsfaulttest.None }()
		return f
	}
}

func slowDown(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusBadRequest)
	io.WriteString(w, refusal("ThrottlingException"))
}

func TestARepeatedStartMeetsItsOwnRun(t *testing.T) {
	t.Parallel()
	for _, f := range awsfaulttest.Faults {
		t.Run("after a "+string(f), func(t *testing.T) {
			t.Parallel()
			m := machineAt(awsfaulttest.Serve(t, &awsfaulttest.Proxy{Target: &executions{t: t, inputs: map[string]string{}}, Throttle: slowDown, Plan: once(f)}))
			if err := m.Start(t.Context(), "r1", rebuild.Request{Projection: "orders"}); err != nil {
				t.Error(err)
			}
			if err := m.Start(t.Context(), "r1", rebuild.Request{Projection: "orders"}); err != nil {
				t.Errorf("again: %v", err)
			}
			if err := m.Start(t.Context(), "r1", rebuild.Request{Projection: "meals"}); !errors.Is(err, ErrTaken) {
				t.Errorf("another's run: %v", err)
			}
		})
	}
}

func TestAnAnswerThatMayHaveArrivedIsNotCalledTooLate(t *testing.T) {
	t.Parallel()
	for _, approved := range []bool{true, false} {
		m := machineAt(awsfaulttest.Serve(t, &awsfaulttest.Proxy{Target: &executions{t: t, waits: true}, Throttle: slowDown, Plan: once(awsfaulttest.Cut)}))
		err := m.Answer(t.Context(), "token", rebuild.Decision{Approved: approved})
		if fault.ClassOf(err) != fault.Infra || errors.Is(err, ErrNotWaiting) || !strings.Contains(err.Error(), "look at the run") {
			t.Errorf("approved %v: class %s: %v", approved, fault.ClassOf(err), err)
		}
	}
}

func TestUnknownOutcomesAreUnavailable(t *testing.T) {
	t.Parallel()
	for _, f := range awsfaulttest.Faults {
		for name := range calls(nil) {
			t.Run(name+" meets "+string(f), func(t *testing.T) {
				t.Parallel()
				m := machineAt(awsfaulttest.Serve(t, &awsfaulttest.Proxy{
					Target: &service{status: 200, answer: `{"status":"RUNNING"}`}, Throttle: slowDown, Plan: awsfaulttest.Always(f),
				}))
				if err := calls(m)[name](t.Context()); fault.ClassOf(err) != fault.Infra {
					t.Errorf("class %s: %v", fault.ClassOf(err), err)
				}
			})
		}
	}
}

func refusal(code string) string {
	return `{"__type":"com.amazonaws#` + code + `","message":"made up by a test"}`
}

func TestARunIsGoingOnAsLongAsItsExecution(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		answer string
		want   bool
		fails  bool
	}{
		"running":         {200, `{"status":"RUNNING","startDate":1769212800}`, true, false},
		"to be redriven":  {200, `{"status":"PENDING_REDRIVE"}`, true, false},
		"done":            {200, `{"status":"SUCCEEDED","output":"{}"}`, false, false},
		"failed":          {200, `{"status":"FAILED","error":"Failed","cause":"x"}`, false, false},
		"stopped":         {200, `{"status":"ABORTED"}`, false, false},
		"timed out":       {200, `{"status":"TIMED_OUT"}`, false, false},
		"unknown":         {400, refusal("ExecutionDoesNotExist"), false, false},
		"no right to ask": {400, refusal("AccessDeniedException"), false, true},
		"nobody there":    {500, refusal("InternalFailure"), false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, s := machine(t, test.status, test.answer)
			running, err := m.Running(t.Context(), "r1")
			if running != test.want || (err != nil) != test.fails {
				t.Errorf("%v %v", running, err)
			}
			if diff := cmp.Diff(call{"DescribeExecution", map[string]any{"executionArn": executionARN}}, s.calls[0]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestARunIsStartedUnderItsID(t *testing.T) {
	t.Parallel()
	m, s := machine(t, 200, `{"executionArn":"`+executionARN+`","startDate":1769212800}`)
	if err := m.Start(t.Context(), "r1", rebuild.Request{Projection: "orders", Approve: true}); err != nil {
		t.Fatal(err)
	}
	want := []call{{"StartExecution", map[string]any{"stateMachineArn": machineARN, "name": "r1", "input": `{"projection":"orders","approve":true}`}}}
	if diff := cmp.Diff(want, s.calls); diff != "" {
		t.Error(diff)
	}
	m, _ = machine(t, 400, refusal("ExecutionAlreadyExists"))
	if err := m.Start(t.Context(), "r1", rebuild.Request{}); !errors.Is(err, ErrTaken) {
		t.Errorf("%v", err)
	}
}

func TestARunThatHasEndedTellsHow(t *testing.T) {
	t.Parallel()
	m, _ := machine(t, 200, `{"status":"SUCCEEDED","startDate":1769212800,"stopDate":1769212860,"output":"{\"runId\":\"r1\",\"toVersion\":2}"}`)
	x, err := m.Execution(t.Context(), "r1")
	if err != nil || x.Run.ID != "r1" || x.Run.ToVersion != 2 || x.EndedAt.Sub(x.StartedAt) != time.Minute || x.Running() {
		t.Errorf("%+v %v", x, err)
	}
	m, _ = machine(t, 200, `{"status":"FAILED","error":"Failed","cause":"a reason"}`)
	if x, err := m.Execution(t.Context(), "r1"); err != nil || x.Error != "Failed" || x.Cause != "a reason" {
		t.Errorf("%+v %v", x, err)
	}
	m, _ = machine(t, 200, `{"status":"SUCCEEDED","output":"no JSON"}`)
	if _, err := m.Execution(t.Context(), "r1"); err == nil {
		t.Error("an output that nobody can read was read")
	}
}

func TestTheStateOfARunIsTheOneEnteredLast(t *testing.T) {
	t.Parallel()
	m, s := machine(t, 200, `{"events":[{"id":9,"type":"TaskStarted","timestamp":1769212800},{"id":8,"type":"TaskStateEntered","timestamp":1769212800,"stateEnteredEventDetails":{"name":"CatchUp"}},{"id":7,"type":"TaskStateEntered","timestamp":1769212800,"stateEnteredEventDetails":{"name":"Join"}}]}`)
	if state, err := m.State(t.Context(), "r1"); err != nil || state != "CatchUp" {
		t.Errorf("%q %v", state, err)
	}
	if s.calls[0].Input["reverseOrder"] != true {
		t.Errorf("%+v", s.calls)
	}
	m, _ = machine(t, 200, `{"events":[{"id":1,"type":"ExecutionStarted","timestamp":1769212800}]}`)
	if state, err := m.State(t.Context(), "r1"); err != nil || state != "" {
		t.Errorf("%q %v", state, err)
	}
}

func TestARunIsStoppedWithAReason(t *testing.T) {
	t.Parallel()
	m, s := machine(t, 200, `{"stopDate":1769212800}`)
	if err := m.Stop(t.Context(), "r1", "not now"); err != nil || s.calls[0].Input["cause"] != "not now" || s.calls[0].Input["executionArn"] != executionARN {
		t.Errorf("%+v %v", s.calls, err)
	}
	m, _ = machine(t, 400, refusal("ExecutionDoesNotExist"))
	if err := m.Stop(t.Context(), "r1", "not now"); !errors.Is(err, ErrNoExecution) {
		t.Errorf("%v", err)
	}
}

func TestADecisionGoesToTheTaskThatWaits(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		approved  bool
		operation string
	}{{true, "SendTaskSuccess"}, {false, "SendTaskFailure"}} {
		m, s := machine(t, 200, `{}`)
		err := m.Answer(t.Context(), "token", rebuild.Decision{Approved: test.approved, By: "ops", Reason: "lunch"})
		if err != nil || s.calls[0].Operation != test.operation || s.calls[0].Input["taskToken"] != "token" {
			t.Errorf("%+v %v", s.calls, err)
		}
		if cause, _ := s.calls[0].Input["cause"].(string); !test.approved && (s.calls[0].Input["error"] != NotApproved || !strings.Contains(cause, "by ops: lunch")) {
			t.Errorf("%+v", s.calls)
		}
		for _, code := range []string{"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"} {
			m, _ := machine(t, 400, refusal(code))
			if err := m.Answer(t.Context(), "token", rebuild.Decision{Approved: test.approved}); !errors.Is(err, ErrNotWaiting) {
				t.Errorf("%s: %v", code, err)
			}
		}
	}
}

// calls is every method, by name.
func calls(m *Machine) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Start":     func(ctx context.Context) error { return m.Start(ctx, "r1", rebuild.Request{}) },
		"Stop":      func(ctx context.Context) error { return m.Stop(ctx, "r1", "x") },
		"Running":   func(ctx context.Context) error { _, err := m.Running(ctx, "r1"); return err },
		"State":     func(ctx context.Context) error { _, err := m.State(ctx, "r1"); return err },
		"Execution": func(ctx context.Context) error { _, err := m.Execution(ctx, "r1"); return err },
		"Answer":    func(ctx context.Context) error { return m.Answer(ctx, "token", rebuild.Decision{}) },
	}
}

func TestErrorsSayWhetherANewTryHelps(t *testing.T) {
	t.Parallel()
	for name := range calls(nil) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, s := machine(t, 400, refusal("ThrottlingException"))
			if err := calls(m)[name](t.Context()); fault.ClassOf(err) != fault.Infra || len(s.calls) != maxAttempts {
				t.Errorf("throttled: %d calls, class %s: %v", len(s.calls), fault.ClassOf(err), err)
			}
			m, s = machine(t, 400, refusal("StateMachineDoesNotExist"))
			if err := calls(m)[name](t.Context()); err == nil || fault.ClassOf(err) != fault.Bug || len(s.calls) != 1 {
				t.Errorf("no machine: class %s: %v", fault.ClassOf(err), err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := calls(m)[name](ctx); err != context.Canceled {
				t.Errorf("cancelled: %v", err)
			}
		})
	}
}
