package process_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/process"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/observe"
	"gakushoku/internal/rehearse/inmemory"
	"gakushoku/internal/rehearse/loans"
	"gakushoku/internal/store/memory"
)

const (
	loan = "loan-l1"
	day  = 24 * time.Hour
)

var table = projection.Table{Projection: "chasing", Version: 1}

// library is a library that chases its books.
type library struct {
	*inmemory.System
	mu   sync.Mutex
	sent map[string]string // step by call id
	all  []string          // steps, in the order of the letters
	down error             // of the post
}

func newLibrary(t *testing.T) *library {
	return &library{System: inmemory.NewOf(t, model.Projections{loans.Chasing().Projection}), sent: map[string]string{}}
}

func (l *library) send(id, step string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down != nil {
		return l.down
	}
	l.sent[id] = step
	l.all = append(l.all, step)
	return nil
}

func (l *library) ports() process.Ports {
	return process.Ports{
		Revisions: []model.Process{loans.Chasing()}, Tables: l.Tables, Streams: l.Events, Now: l.Now,
		Pointers: &projection.CachedPointers{Source: l.Control, Now: l.Now},
	}
}

// worker is one of several.
func (l *library) worker() *process.Worker {
	return &process.Worker{
		Ports: l.ports(),
		Performer: &loans.Librarian{
			Commands: &command.Handler{Streams: l.Events, Now: l.Now, NewID: l.NewID}, Send: l.send,
		},
		Pause: func(failed int) time.Duration { return time.Duration(failed) * time.Minute }, Attempts: 3,
	}
}

func (l *library) operator() *process.Operator {
	return &process.Operator{Ports: l.ports(), Rows: l.Tables}
}

func (l *library) take() {
	l.TB.Helper()
	l.AppendTo(loan, loans.Taken{LoanID: "l1", Book: "こころ"})
	l.MustProject()
}

func (l *library) run(w *process.Worker, want process.Ran) {
	l.TB.Helper()
	got, err := w.RunDue(context.Background())
	if err != nil {
		l.TB.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		l.TB.Errorf("ran (-want +got):\n%s", diff)
	}
}

func (l *library) drive(w *process.Worker, stream string) {
	l.TB.Helper()
	_, err := w.Drive(context.Background(), stream, nil)
	l.Must(err)
}

// types are those of the loan's events.
func (l *library) types() string {
	l.TB.Helper()
	history, err := l.Events.Load(context.Background(), loan, 0)
	l.Must(err)
	var all []string
	for _, e := range history {
		p, err := event.DecodePayload(&e)
		l.Must(err)
		name := strings.TrimPrefix(e.Type, "Loan")
		if c, ok := p.(loans.Chased); ok {
			name = c.Step
		}
		all = append(all, name)
	}
	return strings.Join(all, " ")
}

func (l *library) want(types string) {
	l.TB.Helper()
	if got := l.types(); got != types {
		l.TB.Errorf("the loan's events are %s, want %s", got, types)
	}
}

func (l *library) task() *projection.Task {
	l.TB.Helper()
	r, err := l.Tables.Record(context.Background(), table, loan)
	l.Must(err)
	return r.Task
}

func TestStepsAreCarriedOutWhenTheyAreDue(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	w := l.worker()
	l.take()
	l.run(w, process.Ran{})
	l.Wait(14 * day)
	l.run(w, process.Ran{Rows: 1, Steps: 1})
	l.MustProject()
	l.run(w, process.Ran{})
	l.Wait(14 * day)
	l.run(w, process.Ran{Rows: 1, Steps: 1})
	l.MustProject()
	l.AppendTo(loan, loans.Returned{LoanID: "l1"})
	l.MustProject()
	l.run(w, process.Ran{Rows: 1, Steps: 1})
	l.MustProject()
	l.run(w, process.Ran{})
	l.want("Taken remind fine Returned waive")
	if task := l.task(); task != nil {
		t.Errorf("it still waits for %+v", task)
	}
}

func TestLateDeadlinesAreAllCarriedOutAtOnce(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.take()
	l.Wait(100 * day)
	l.run(l.worker(), process.Ran{Rows: 1, Steps: 2})
	l.want("Taken remind fine")
}

func TestAStaleRowCarriesOutNothing(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.take()
	l.AppendTo(loan, loans.Returned{LoanID: "l1"}) // not projected yet
	l.Wait(14 * day)
	l.run(l.worker(), process.Ran{Rows: 1})
	l.want("Taken Returned")
}

func TestDriveNeedsNoRow(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	w := l.worker()
	l.AppendTo(loan, loans.Taken{LoanID: "l1", Book: "こころ"})
	l.drive(w, loan)
	l.want("Taken")
	l.Wait(14 * day)
	l.drive(w, loan)
	l.want("Taken remind")
	l.down = errors.New("the post is on strike")
	l.Wait(14 * day)
	if _, err := w.Drive(t.Context(), loan, nil); !errors.Is(err, l.down) {
		t.Errorf("got %v, want the step's error", err)
	}
	l.drive(w, "order-o1")
	l.drive(w, "loan-none")
}

func TestAFailedStepIsPutOffAndThenStuck(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	w := l.worker()
	l.take()
	l.Wait(14 * day)
	l.down = errors.New("the post is on strike")
	l.run(w, process.Ran{Rows: 1, Failed: 1})
	l.run(w, process.Ran{})
	l.Wait(time.Minute)
	l.run(w, process.Ran{Rows: 1, Failed: 1})
	l.Wait(time.Minute)
	l.run(w, process.Ran{})
	l.Wait(time.Minute)
	l.run(w, process.Ran{Rows: 1, Failed: 1, Stuck: 1})
	task := l.task()
	if task == nil || task.Attempts != 3 || task.Error != l.down.Error() || task.Stuck.IsZero() {
		t.Errorf("the task is %+v", task)
	}
	l.down = nil
	l.Wait(day)
	l.run(w, process.Ran{})

	o := l.operator()
	var listed []process.Waiting
	l.Must(o.List(t.Context(), true, func(w process.Waiting) error { listed = append(listed, w); return nil }))
	if len(listed) != 1 || listed[0].Stream != loan || listed[0].Task.Step != loans.StepRemind {
		t.Errorf("listed as stuck: %+v", listed)
	}
	if _, err := o.Redrive(t.Context(), loan); err != nil {
		t.Fatal(err)
	}
	l.run(w, process.Ran{Rows: 1, Steps: 1})
	l.want("Taken remind")
}

func TestANewEventFreesAStuckRow(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	w := l.worker()
	w.Attempts = 1
	l.take()
	l.Wait(28 * day)
	l.drive(w, loan)
	l.MustProject()
	l.down = errors.New("the post is on strike")
	l.AppendTo(loan, loans.Returned{LoanID: "l1"})
	l.MustProject()
	l.run(w, process.Ran{Rows: 1, Failed: 1, Stuck: 1})
	l.down = nil
	l.AppendTo(loan, loans.Taken{LoanID: "l1", Book: "こころ"})
	l.MustProject()
	l.Wait(14 * day)
	l.run(w, process.Ran{Rows: 1, Steps: 1})
}

func TestDriveNeedsNoTable(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	w := l.worker()
	w.Pointers.Source = memory.NewControl()
	l.AppendTo(loan, loans.Taken{LoanID: "l1", Book: "こころ"})
	l.Wait(14 * day)
	l.drive(w, loan)
	l.want("Taken remind")
	l.run(w, process.Ran{})
}

// crashing is a post that breaks off a step after the letter or after the record of it.
type crashing struct {
	*loans.Librarian
	after error
}

func (c crashing) Perform(ctx context.Context, call process.Call) ([]event.Event, error) {
	recorded, err := c.Librarian.Perform(ctx, call)
	return recorded, errors.Join(err, c.after)
}

func TestAStepThatDiedAfterItsCallIsRepeatedUnderItsID(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	w := l.worker()
	l.take()
	l.Wait(14 * day)
	dead := *w.Performer.(*loans.Librarian)
	commands := *dead.Commands
	commands.Streams = unwilling{l.Events}
	dead.Commands = &commands
	w.Performer = &dead
	l.run(w, process.Ran{Rows: 1, Failed: 1})
	l.want("Taken")
	l.Wait(time.Minute)
	l.run(l.worker(), process.Ran{Rows: 1, Steps: 1})
	l.want("Taken remind")
	if len(l.sent) != 1 || len(l.all) != 2 {
		t.Errorf("letters by id %v, %v in all; want one id, twice", l.sent, l.all)
	}
}

// unwilling is an event store that appends nothing.
type unwilling struct{ command.Streams }

func (unwilling) Append(context.Context, string, uint64, []event.Event) error {
	return errors.New("the disk is full")
}

func TestAnErrorOfAStepThatTookEffectIsNone(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	w := l.worker()
	w.Performer = crashing{w.Performer.(*loans.Librarian), errors.New("the answer was lost")}
	l.take()
	l.Wait(14 * day)
	l.run(w, process.Ran{Rows: 1, Steps: 1})
	l.want("Taken remind")
}

type does func(context.Context, process.Call) error

func (f does) Perform(ctx context.Context, c process.Call) ([]event.Event, error) {
	return nil, f(ctx, c)
}

func TestASteplessOrBrokenPerformerIsAFailedAttempt(t *testing.T) {
	t.Parallel()
	for name, perform := range map[string]does{
		"recorded no outcome": func(context.Context, process.Call) error { return nil },
		"panicked":            func(context.Context, process.Call) error { panic("no such thing") },
		"deadline exceeded": func(ctx context.Context, _ process.Call) error {
			<-ctx.Done()
			return ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLibrary(t)
			w := l.worker()
			w.Performer, w.Timeout = perform, 20*time.Millisecond
			l.take()
			l.Wait(14 * day)
			l.run(w, process.Ran{Rows: 1, Failed: 1})
			if task := l.task(); task.Attempts != 1 || !strings.Contains(task.Error, name) {
				t.Errorf("recorded: %+v", task)
			}
		})
	}
}

func TestAStepIsTheSameCallWhoeverTriesIt(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	var calls []process.Call
	var actors []string
	perform := does(func(ctx context.Context, c process.Call) error {
		c.Row, c.History = nil, nil
		calls, actors = append(calls, c), append(actors, observe.CallerOf(ctx).Name+" "+observe.CorrelationID(ctx))
		return errors.New("later")
	})
	l.take()
	l.Wait(14 * day)
	for range 2 {
		w := l.worker()
		w.Performer = perform
		l.run(w, process.Ran{Rows: 1, Failed: 1})
		l.Wait(5 * time.Minute)
	}
	w := l.worker()
	w.Performer = perform
	ctx := observe.WithCaller(t.Context(), observe.Caller{Name: "guest-7"})
	if _, err := w.Drive(ctx, loan, nil); err == nil {
		t.Error("a failed step is no error of Drive")
	}
	want := process.Call{ID: calls[0].ID, Process: "chasing", Stream: loan, Step: loans.StepRemind, Version: 1, Attempt: 1}
	second := want
	second.Attempt = 2
	if diff := cmp.Diff([]process.Call{want, second, want}, calls); diff != "" || len(want.ID) < 32 {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if actors = slices.Compact(actors); len(actors) != 1 || actors[0] != "process:chasing c-"+loan {
		t.Errorf("recorded by %q", actors)
	}
}

func TestOnlyRowsOfTheActiveVersionAreCarriedOut(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.take()
	l.Wait(14 * day)
	building := projection.Table{Projection: "chasing", Version: 2}
	l.Must(l.Tables.Create(t.Context(), building))
	rows, err := l.Tables.Records(t.Context(), table, []string{loan})
	l.Must(err)
	if _, err := l.Tables.Write(t.Context(), building, []projection.Change{{Record: rows[loan]}}); err != nil {
		t.Fatal(err)
	}
	l.Edit(table, loan, func(c *projection.Change) { c.Task = nil })
	p := l.Pointer("chasing")
	p.Versions = append(p.Versions, projection.Version{Number: 2, Revision: 1, State: projection.Building, Joined: true})
	l.Must(l.Control.SetPointer(t.Context(), p))
	l.run(l.worker(), process.Ran{})
	p = l.Pointer("chasing")
	p.Versions[0].State, p.Versions[1].State = projection.Previous, projection.Active
	l.Must(l.Control.SetPointer(t.Context(), p))
	l.run(l.worker(), process.Ran{Rows: 1, Steps: 1})
}

func TestTheTaskOfAnUnknownStepFails(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	w := l.worker()
	w.Revisions[0].Steps = []string{loans.StepFine}
	l.take()
	l.Wait(14 * day)
	l.run(w, process.Ran{Rows: 1, Failed: 1})
	if task := l.task(); !strings.Contains(task.Error, "no such step") {
		t.Errorf("recorded: %+v", task)
	}
}

func TestAGracePeriodLeavesFreshTasksAlone(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	w := l.worker()
	w.Grace = time.Hour
	l.take()
	l.Wait(14*day + 59*time.Minute)
	l.run(w, process.Ran{})
	l.Wait(time.Minute)
	l.run(w, process.Ran{Rows: 1, Steps: 1})
}

func TestAnEventStoreThatFailsIsNoFailedAttempt(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	w := l.worker()
	l.take()
	l.Wait(14 * day)
	gone := errors.New("the event store is down")
	w.Streams = lost{l.Events, gone}
	if ran, err := w.RunDue(t.Context()); !errors.Is(err, gone) || ran.Failed != 0 {
		t.Errorf("got %+v, %v", ran, err)
	}
	if task := l.task(); task.Attempts != 0 {
		t.Errorf("recorded: %+v", task)
	}
}

// lost is an event store that cannot be read.
type lost struct {
	eventstore.Loader
	err error
}

func (s lost) Load(context.Context, string, uint64) ([]event.Event, error) { return nil, s.err }

func TestManyWorkersCarryOutEachStepOnce(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.take()
	l.Wait(28 * day)
	var workers sync.WaitGroup
	for i := range 8 {
		workers.Go(func() {
			if i%2 == 0 {
				_, err := l.worker().RunDue(t.Context())
				l.Must(err)
				return
			}
			if _, err := l.worker().Drive(t.Context(), loan, nil); err != nil && !errors.As(err, new(loans.NotNow)) {
				t.Error(err)
			}
		})
	}
	workers.Wait()
	l.want("Taken remind fine")
	if len(l.sent) != 2 {
		t.Errorf("letters by id: %v, want one for each step", l.sent)
	}
}
