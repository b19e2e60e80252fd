package process_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/engine/process"
	"gakushoku/internal/fault"
	"gakushoku/internal/rehearse/loans"
)

func listed(t *testing.T, o *process.Operator, stuck bool) []string {
	t.Helper()
	var all []string
	if err := o.List(t.Context(), stuck, func(w process.Waiting) error {
		all = append(all, w.Stream+" "+w.Task.Step)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAnOperatorSeesWhatStreamsWaitFor(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	o := l.operator()
	l.take()
	if diff := cmp.Diff([]string{loan + " remind"}, listed(t, o, false)); diff != "" {
		t.Error(diff)
	}
	if got := listed(t, o, true); len(got) > 0 {
		t.Errorf("stuck: %v", got)
	}
	l.AppendTo(loan, loans.Returned{LoanID: "l1"})
	shown, err := o.Show(t.Context(), loan)
	if err != nil || shown.Version != 2 || shown.RowVersion != 1 || shown.Next != nil || shown.Task == nil || shown.Task.Step != loans.StepRemind {
		t.Errorf("shown as %+v, %v", shown, err)
	}
	l.MustProject()
	if shown, err = o.Show(t.Context(), loan); err != nil || shown.RowVersion != 2 || shown.Task != nil || len(shown.State) == 0 {
		t.Errorf("shown as %+v, %v", shown, err)
	}
	if got := listed(t, o, false); len(got) > 0 {
		t.Errorf("waiting: %v", got)
	}
}

func TestAnOperatorIsRefusedWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	o := l.operator()
	l.take()
	l.AppendTo(loan, loans.Returned{LoanID: "l1"})
	l.MustProject()
	for want, call := range map[string]func() error{
		"process/unknown": func() error { _, err := o.Show(t.Context(), "loan-none"); return err },
		"process/rests":   func() error { _, err := o.Redrive(t.Context(), loan); return err },
		// The process was given no way to do so.
		"process/cannot-undo": func() error { return o.Compensate(t.Context(), loan) },
	} {
		var refusal fault.DomainError
		if err := call(); !errors.As(err, &refusal) || refusal.DomainCode() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := o.Redrive(t.Context(), "loan-none"); err == nil {
		t.Error("a stream that is not there was redriven")
	}
}

func TestCompensatingRecordsACommand(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	o := l.operator()
	o.Undo = func(_ context.Context, stream string, _ uint64) error {
		l.AppendTo(stream, loans.Returned{LoanID: "l1"})
		return nil
	}
	w := l.worker()
	w.Attempts = 1
	l.take()
	l.Wait(28 * day)
	l.run(w, process.Ran{Rows: 1, Steps: 2})
	l.MustProject()
	l.Must(o.Compensate(t.Context(), loan))
	l.MustProject()
	l.run(w, process.Ran{Rows: 1, Steps: 1})
	l.want("Taken remind fine Returned waive")
	if err := o.Compensate(t.Context(), "loan-none"); err == nil {
		t.Error("a stream that is not there was compensated")
	}
}

func TestRunTakesWhatWokeItAndEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLibrary(t)
		w := l.worker()
		wake := make(chan struct{})
		w.Tick, w.Grace, w.Wake = time.Hour, time.Second, func() <-chan struct{} { return wake }
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); w.Run(ctx) }()
		synctest.Wait()
		l.take()
		l.Wait(15 * day)
		woken := wake
		wake = make(chan struct{})
		close(woken)
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		l.want("Taken") // its grace is not over
		time.Sleep(time.Second)
		synctest.Wait()
		l.want("Taken remind")
		l.Wait(15 * day)
		time.Sleep(time.Hour)
		synctest.Wait()
		l.want("Taken remind fine")
		stop()
		<-ended
	})
}
