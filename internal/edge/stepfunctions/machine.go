// Package stepfunctions runs rebuilds as executions of the state machine infra/reproject.asl.json, on AWS
// Step Functions or on anything that implements its API. The name of an execution is the id of its run.
// The package hides the service's peculiarities: names that are taken, responses to waiting tasks, the
// format of an execution's history.
package stepfunctions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/fault"
	"gakushoku/internal/store/awsfault"
)

// The limits of one call.
const (
	maxAttempts    = 4
	maxBackoff     = time.Second
	attemptTimeout = 10 * time.Second
	idleConns      = 8
)

// Bounded sets the standard retryer with few attempts and a time limit for each. Pass it to sfn.New or
// NewFromConfig; an HTTP client that a later option sets is kept.
func Bounded(o *sfn.Options) {
	o.Retryer = awsfault.Retryer(maxAttempts, maxBackoff)
	o.HTTPClient = awshttp.NewBuildableClient().WithTimeout(attemptTimeout).WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = idleConns, idleConns
	})
}

// API has the SDK's methods that Machine calls. *sfn.Client implements it.
type API interface {
	StartExecution(context.Context, *sfn.StartExecutionInput, ...func(*sfn.Options)) (*sfn.StartExecutionOutput, error)
	StopExecution(context.Context, *sfn.StopExecutionInput, ...func(*sfn.Options)) (*sfn.StopExecutionOutput, error)
	DescribeExecution(context.Context, *sfn.DescribeExecutionInput, ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error)
	GetExecutionHistory(context.Context, *sfn.GetExecutionHistoryInput, ...func(*sfn.Options)) (*sfn.GetExecutionHistoryOutput, error)
	SendTaskSuccess(context.Context, *sfn.SendTaskSuccessInput, ...func(*sfn.Options)) (*sfn.SendTaskSuccessOutput, error)
	SendTaskFailure(context.Context, *sfn.SendTaskFailureInput, ...func(*sfn.Options)) (*sfn.SendTaskFailureOutput, error)
}

// Errors of Machine.
var (
	// ErrNoExecution means that there is no run with that id, or no longer: the service forgets runs after
	// 90 days.
	ErrNoExecution = errors.New("there is no such execution")
	// ErrTaken means that an earlier run with another request has the id.
	ErrTaken = errors.New("there was an execution of that name before")
	// ErrNotWaiting means that a task no longer waits for an answer.
	ErrNotWaiting = errors.New("the task does not wait for an answer any more")
)

// NotApproved is the name of the error with which a run ends if its switch was not approved.
const NotApproved = "NotApproved"

// Machine is the deployed state machine. It is safe for concurrent use.
type Machine struct {
	client API
	arn    string
}

var _ rebuild.Runs = (*Machine)(nil)

// NewMachine returns the state machine with an ARN.
func NewMachine(client API, arn string) *Machine { return &Machine{client: client, arn: arn} }

// executionARN returns the ARN of a run: the machine's ARN with another resource type, and the run's id.
func (m *Machine) executionARN(runID string) *string {
	arn := strings.Replace(m.arn, ":stateMachine:", ":execution:", 1) + ":" + runID
	return &arn
}

// Running implements rebuild.Runs. A run that the service does not know is not running.
func (m *Machine) Running(ctx context.Context, runID string) (bool, error) {
	x, err := m.Execution(ctx, runID)
	if errors.Is(err, ErrNoExecution) {
		return false, nil
	}
	return x.Running(), err
}

// Start starts a run. If a run with this id and the same request exists, Start does nothing, even after that
// run has ended. It fails with ErrTaken if the id belongs to another request.
func (m *Machine) Start(ctx context.Context, runID string, request rebuild.Request) error {
	input, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("encoding the request of run %s: %w", runID, err)
	}
	_, err = m.client.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &m.arn, Name: &runID, Input: aws.String(string(input))})
	if awsfault.HasCode(err, "ExecutionAlreadyExists") && ctx.Err() == nil {
		return m.taken(ctx, runID, string(input))
	}
	return awsfault.Wrap(ctx, "starting run "+runID, err)
}

// taken returns nil if the run with this id has the same input: a repeated call finds the run that its
// first attempt has started. Otherwise it returns ErrTaken.
func (m *Machine) taken(ctx context.Context, runID, input string) error {
	out, err := m.client.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: m.executionARN(runID)})
	err = m.wrap(ctx, "looking at", runID, err)
	switch {
	case err == nil && aws.ToString(out.Input) == input:
		return nil
	case fault.ClassOf(err) == fault.Infra:
		return err
	}
	return fmt.Errorf("starting run %s: %w", runID, ErrTaken)
}

// Stop ends a run immediately. The next run removes what it leaves behind.
func (m *Machine) Stop(ctx context.Context, runID, reason string) error {
	_, err := m.client.StopExecution(ctx, &sfn.StopExecutionInput{ExecutionArn: m.executionARN(runID), Error: aws.String("Stopped"), Cause: &reason})
	return m.wrap(ctx, "stopping", runID, err)
}

// Execution is the service's description of a run.
type Execution struct {
	Status    types.ExecutionStatus
	StartedAt time.Time
	EndedAt   time.Time       // zero while the run is going on
	Request   rebuild.Request // the run's input; zero if the input is not a request
	Run       rebuild.Run     // the run's result; zero unless it has succeeded
	Error     string          // the name of the error with which the run failed
	Cause     string
}

// Running reports whether the run is still in progress.
func (x *Execution) Running() bool {
	return x.Status == types.ExecutionStatusRunning || x.Status == types.ExecutionStatusPendingRedrive
}

// Execution returns the description of a run. It fails with ErrNoExecution if there is no such run.
func (m *Machine) Execution(ctx context.Context, runID string) (Execution, error) {
	out, err := m.client.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: m.executionARN(runID)})
	if err != nil {
		return Execution{}, m.wrap(ctx, "looking at", runID, err)
	}
	if out.Status == "" {
		return Execution{}, fault.Unavailable(fmt.Errorf("looking at run %s: the response does not say how it is", runID))
	}
	x := Execution{
		Status: out.Status, StartedAt: aws.ToTime(out.StartDate), EndedAt: aws.ToTime(out.StopDate),
		Error: aws.ToString(out.Error), Cause: aws.ToString(out.Cause),
	}
	if request, err := rebuild.ParseRequest([]byte(aws.ToString(out.Input))); err == nil {
		x.Request = request
	}
	if out.Output != nil {
		if err := json.Unmarshal([]byte(*out.Output), &x.Run); err != nil {
			return x, fmt.Errorf("reading the output of run %s: %w", runID, err)
		}
	}
	return x, nil
}

// lastEvents is how many events of a history are searched for the current state. A state has only a handful
// of events, even with retries.
const lastEvents = 100

// State returns the state that a run has entered last; "" before the first. States that only choose or end
// have names other than those of the steps.
func (m *Machine) State(ctx context.Context, runID string) (rebuild.Step, error) {
	out, err := m.client.GetExecutionHistory(ctx, &sfn.GetExecutionHistoryInput{ExecutionArn: m.executionARN(runID), ReverseOrder: true, MaxResults: lastEvents})
	if err != nil {
		return "", m.wrap(ctx, "reading the history of", runID, err)
	}
	for _, e := range out.Events {
		if e.StateEnteredEventDetails != nil {
			return rebuild.Step(aws.ToString(e.StateEnteredEventDetails.Name)), nil
		}
	}
	return "", nil
}

// Answer passes a person's decision to a run that waits for the approval of its switch. The token is in the
// approval's question.
func (m *Machine) Answer(ctx context.Context, token string, d rebuild.Decision) error {
	var err error
	var sent awsfault.Attempts
	counted := func(o *sfn.Options) { o.APIOptions = append(o.APIOptions, sent.Count) }
	if d.Approved {
		var output []byte
		if output, err = json.Marshal(d); err != nil {
			return fmt.Errorf("encoding the decision: %w", err)
		}
		_, err = m.client.SendTaskSuccess(ctx, &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(string(output))}, counted)
	} else {
		reason := fmt.Sprintf("the switch was not approved by %s: %s", d.By, d.Reason)
		_, err = m.client.SendTaskFailure(ctx, &sfn.SendTaskFailureInput{TaskToken: &token, Error: aws.String(NotApproved), Cause: &reason}, counted)
	}
	if awsfault.HasCode(err, "TaskTimedOut", "TaskDoesNotExist", "InvalidToken") && ctx.Err() == nil {
		if sent.Repeated() { // the first attempt may have succeeded
			return fault.Unavailable(errors.New("answering: no attempt was confirmed, and the task no longer waits: look at the run to see whether the answer arrived"))
		}
		return fmt.Errorf("answering: %w (%w)", ErrNotWaiting, err)
	}
	return awsfault.Wrap(ctx, "answering", err)
}

func (m *Machine) wrap(ctx context.Context, doing, runID string, err error) error {
	if awsfault.HasCode(err, "ExecutionDoesNotExist", "InvalidName") && ctx.Err() == nil {
		return fmt.Errorf("%s run %s: %w", doing, runID, ErrNoExecution)
	}
	return awsfault.Wrap(ctx, doing+" run "+runID, err)
}
