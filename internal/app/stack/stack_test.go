package stack_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/app/operator"
	"gakushoku/internal/app/stack"
	"gakushoku/internal/canteen"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/edge/stepfunctions"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/wait"
)

// machine stands for the state machine: it runs the driver over a data folder, and tells of it
// as the service does.
type machine struct {
	folder *embedded.Folder

	mu      sync.Mutex
	runs    map[string]*execution
	answers []string // tokens that were answered
}

type execution struct {
	stepfunctions.Execution
	state rebuild.Step
	stop  context.CancelFunc
	ended chan struct{}
}

func (m *machine) Start(ctx context.Context, runID string, request rebuild.Request) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	x := &execution{stop: stop, ended: make(chan struct{})}
	x.Status, x.Request = types.ExecutionStatusRunning, request
	m.runs[runID] = x
	go func() {
		defer close(x.ended)
		defer stop()
		engine := *m.folder.Engine
		engine.Progress = func(p rebuild.Progress) {
			m.mu.Lock()
			defer m.mu.Unlock()
			x.state = p.Step
		}
		run, err := (&rebuild.Driver{Engine: &engine, Workers: 1, Alone: func() bool { return true }}).Run(ctx, runID, request)
		m.mu.Lock()
		defer m.mu.Unlock()
		x.Status, x.Run = types.ExecutionStatusSucceeded, run
		if err != nil {
			cause, _ := json.Marshal(map[string]string{"errorMessage": err.Error(), "errorType": "X"})
			x.Status, x.Run, x.Error, x.Cause = types.ExecutionStatusFailed, rebuild.Run{}, "Failed", "Failed: "+string(cause)
			if errors.Is(err, rebuild.ErrRefused) {
				x.Error = "Refused"
			}
		}
	}()
	return nil
}

func (m *machine) run(runID string) (*execution, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.runs[runID] == nil {
		return nil, stepfunctions.ErrNoExecution
	}
	return m.runs[runID], nil
}

func (m *machine) Stop(_ context.Context, runID, _ string) error {
	x, err := m.run(runID)
	if err == nil {
		x.stop()
		<-x.ended
	}
	return err
}

func (m *machine) Execution(_ context.Context, runID string) (stepfunctions.Execution, error) {
	x, err := m.run(runID)
	if err != nil {
		return stepfunctions.Execution{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return x.Execution, nil
}

// Running is rebuild.Runs.
func (m *machine) Running(ctx context.Context, runID string) (bool, error) {
	x, err := m.Execution(ctx, runID)
	if errors.Is(err, stepfunctions.ErrNoExecution) {
		return false, nil
	}
	return x.Running(), err
}

func (m *machine) State(_ context.Context, runID string) (rebuild.Step, error) {
	x, err := m.run(runID)
	if err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return x.state, nil
}

func (m *machine) Answer(_ context.Context, token string, _ rebuild.Decision) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answers = append(m.answers, token)
	return nil
}

// deployed is a stack whose stores are a data folder.
type deployed struct {
	*operator.Installation
	host *stack.Stack
}

// newStack is a stack whose stores are a data folder with two orders.
func newStack(t *testing.T) (*deployed, *machine) {
	t.Helper()
	folder, err := embedded.OpenFolder(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{folder: folder, runs: map[string]*execution{}}
	t.Cleanup(func() {
		for _, x := range m.runs {
			x.stop()
			<-x.ended
		}
		folder.Close()
	})
	for _, id := range []string{"o1", "o2"} {
		place(t, folder, id, 0)
	}
	host := &stack.Stack{
		Region: "ap-northeast-1", Machine: m, Poll: 5 * time.Millisecond,
		TTL: func(context.Context) (time.Duration, error) { return time.Millisecond, nil },
	}
	return &deployed{host.Over("canteen", &folder.Ports, folder.Engine.Settings), host}, m
}

func place(t *testing.T, folder *embedded.Folder, id string, expected uint64) {
	t.Helper()
	e, err := event.New(order.Placed{OrderID: id, Total: 780})
	if err != nil {
		t.Fatal(err)
	}
	e.ID, e.OccurredAt = fmt.Sprintf("%s-%d", id, expected+1), event.InstantOfMilli(1_769_212_800_000)
	if err := folder.Events.Append(t.Context(), order.Stream(id), expected, []event.Event{e}); err != nil {
		t.Fatal(err)
	}
}

var orders = rebuild.Request{Projection: "orders"}

func TestARebuildIsFollowedToItsEnd(t *testing.T) {
	t.Parallel()
	s, _ := newStack(t)
	run, err := s.Rebuild(t.Context(), orders, operator.RebuildOptions{Progress: func(rebuild.Progress) {}})
	if err != nil || run.ToVersion != 2 || !run.Verify.Sound {
		t.Fatalf("%+v, %v", run, err)
	}
	if back, err := s.Rollback(t.Context(), "orders", true); err != nil || back.Version != 1 {
		t.Errorf("rolled back to %+v: %v", back, err)
	}
	if dropped, err := s.CleanUp(t.Context(), "orders", true); err != nil || !slices.Equal(dropped, []int{2}) {
		t.Errorf("dropped %v: %v", dropped, err)
	}
	if history, err := s.History(t.Context(), "orders", 10); err != nil || len(history) != 1 || !history[0].Ended || history[0].Reason != "" || history[0].Run.ID != run.ID {
		t.Errorf("history %+v, %v", history, err)
	}
	status, err := s.Status(t.Context())
	if err != nil || status.Stack != "canteen" || status.Head != 2 || len(status.Projections) != len(canteen.Projections().Names()) || status.Projections[0].Rows != nil || *status.Projections[0].Parked != 0 || len(status.Projections[0].Versions) != 1 {
		t.Errorf("%+v, %v", status, err)
	}
	var ids []string
	if err := s.EachEvent(t.Context(), func(e *event.Event) error { ids = append(ids, e.ID); return nil }); err != nil || len(ids) != 2 {
		t.Errorf("events %v, %v", ids, err)
	}
}

func TestFailedRunHasReason(t *testing.T) {
	t.Parallel()
	s, m := newStack(t)
	place(t, m.folder, "o1", 1) // again: nothing can apply that
	_, err := s.Rebuild(t.Context(), orders, operator.RebuildOptions{})
	if err == nil || !strings.Contains(err.Error(), "is FAILED: ") || !strings.Contains(err.Error(), "order o1 was placed before") || strings.Contains(err.Error(), "errorMessage") {
		t.Errorf("got %v", err)
	}
	if _, err := s.Rebuild(t.Context(), rebuild.Request{Projection: "meals"}, operator.RebuildOptions{}); !errors.Is(err, rebuild.ErrRefused) {
		t.Errorf("an unknown projection: %v", err)
	}
	history, err := s.History(t.Context(), "orders", 10)
	if err != nil || len(history) != 1 || !history[0].Ended || !strings.Contains(history[0].Reason, "was placed before") {
		t.Errorf("history %+v, %v", history, err)
	}
	if _, err := s.ResumeRebuild(t.Context(), "orders", "nothing", operator.RebuildOptions{}); !errors.Is(err, stepfunctions.ErrNoExecution) {
		t.Errorf("an unknown run: %v", err)
	}
}

// waiting starts a run that waits for its approval, and follows it until follow ends.
func waiting(t *testing.T, s *deployed, follow context.Context) (runID string, ended chan error) {
	t.Helper()
	ended = make(chan error, 1)
	approving := make(chan struct{})
	go func() {
		_, err := s.Rebuild(follow, rebuild.Request{Projection: "orders", Approve: true}, operator.RebuildOptions{Progress: func(p rebuild.Progress) {
			if p.Step == "Approve" {
				close(approving)
			}
		}})
		ended <- err
	}()
	for range 2000 {
		if asked, err := s.Approval(t.Context(), "orders"); err == nil {
			<-approving // the run is followed to where it waits
			return asked.Run.ID, ended
		}
		if err := wait.For(t.Context(), 5*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the run never asked")
	return "", nil
}

func TestRunContinuesUnfollowed(t *testing.T) {
	t.Parallel()
	s, m := newStack(t)
	ctx, leave := context.WithCancel(t.Context())
	runID, ended := waiting(t, s, ctx)
	status, err := s.Versions(t.Context())
	if err != nil || len(status.Projections[0].Runs) != 1 || status.Projections[0].Runs[0].Stage != "Approve" {
		t.Errorf("%+v, %v", status, err)
	}
	leave()
	if err := <-ended; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "--resume "+runID) {
		t.Errorf("got %v", err)
	}
	asked, err := s.Approval(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	asked.Token = "token-1"
	if err := s.Decide(t.Context(), asked, rebuild.Decision{Approved: true, By: "me"}); err != nil {
		t.Fatal(err)
	}
	run, err := s.ResumeRebuild(t.Context(), "orders", runID, operator.RebuildOptions{})
	if err != nil || run.ID != runID || run.ToVersion != 2 || !slices.Equal(m.answers, []string{"token-1"}) {
		t.Errorf("%+v, %v, answers %v", run, err, m.answers)
	}
}

// unseen is a machine whose executions cannot be looked at.
type unseen struct{ stack.Machine }

func (unseen) Execution(context.Context, string) (stepfunctions.Execution, error) {
	return stepfunctions.Execution{}, fault.Unavailable(errors.New("the response broke off"))
}

func TestUnobservableRunIsReportedAsContinuing(t *testing.T) {
	t.Parallel()
	s, _ := newStack(t)
	s.host.Machine = unseen{s.host.Machine}
	_, err := s.Rebuild(t.Context(), orders, operator.RebuildOptions{})
	if fault.ClassOf(err) != fault.Infra || !strings.Contains(err.Error(), "--resume ") {
		t.Errorf("got %v", err)
	}
}

func TestAbandonStopsTheExecutionAndDropsItsVersion(t *testing.T) {
	t.Parallel()
	s, _ := newStack(t)
	runID, ended := waiting(t, s, t.Context())
	runs, err := s.Abandon(t.Context(), "orders")
	if err != nil || len(runs) != 1 || runs[0].ID != runID {
		t.Errorf("%+v, %v", runs, err)
	}
	if err := <-ended; err == nil {
		t.Error("the run ended well")
	}
	status, err := s.Versions(t.Context())
	if err != nil || len(status.Projections[0].Versions) != 1 {
		t.Errorf("%+v, %v", status, err)
	}
	if runs, err := s.Abandon(t.Context(), "orders"); err != nil || len(runs) != 0 {
		t.Errorf("again: %+v, %v", runs, err)
	}
}

// The service goes on with the soak; who stops following, or looks from elsewhere, is told that
// readers were switched.
func TestASoakIsSeenAndAbandonedWithoutHarm(t *testing.T) {
	t.Parallel()
	s, _ := newStack(t)
	ctx, leave := context.WithCancel(t.Context())
	soaking, ended := make(chan struct{}), make(chan error, 1)
	soak := rebuild.Seconds(time.Hour)
	go func() {
		_, err := s.Rebuild(ctx, rebuild.Request{Projection: "orders", Soak: &soak}, operator.RebuildOptions{Progress: func(p rebuild.Progress) {
			if p.Step == "Soak" {
				close(soaking)
			}
		}})
		ended <- err
	}()
	<-soaking
	leave()
	if err := <-ended; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "it has switched readers") {
		t.Errorf("got %v", err)
	}
	status, err := s.Versions(t.Context())
	if err != nil || len(status.Projections[0].Runs) != 1 {
		t.Fatalf("%+v, %v", status, err)
	}
	run := status.Projections[0].Runs[0]
	if until := run.SoakUntil.Time().Sub(run.SwitchedAt.Time()); run.Stage != "Soak" || !run.AtWork || until != time.Hour {
		t.Errorf("%+v soaks for %s", run, until)
	}
	if history, err := s.History(t.Context(), "orders", 1); err != nil || history[0].Stage != "Soak" || !history[0].AtWork || history[0].SoakUntil != run.SoakUntil {
		t.Errorf("%+v, %v", history, err)
	}
	if _, err := s.Approval(t.Context(), "orders"); !errors.Is(err, rebuild.ErrNoRun) {
		t.Errorf("something waits for an approval: %v", err)
	}
	if runs, err := s.Abandon(t.Context(), "orders"); err != nil || len(runs) != 1 || !runs[0].Switched() || len(runs[0].Dropped) > 0 {
		t.Errorf("abandoned %+v, %v", runs, err)
	}
	status, err = s.Versions(t.Context())
	if err != nil || len(status.Projections[0].Versions) != 2 || len(status.Projections[0].Runs) != 0 {
		t.Errorf("%+v, %v", status, err)
	}
}
