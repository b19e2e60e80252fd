package faultport

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/fault"
)

// Fault is what happens to a call.
type Fault string

// The faults. All but Broken and the cancellations return errors that a retry may cure.
const (
	Before       Fault = "fails before it takes effect"
	After        Fault = "takes effect, and its response is lost"
	HalfWay      Fault = "breaks off half-way"
	Down         Fault = "fails, and so do all after it"
	Broken       Fault = "fails in a way that no new try cures"
	CancelBefore Fault = "finds its context cancelled"
	CancelAfter  Fault = "takes effect, then the context is cancelled"
)

var allFaults = []Fault{Before, After, HalfWay, Down, Broken, CancelBefore, CancelAfter}

// ErrBroken is the error of Broken.
var ErrBroken = errors.New("the port is broken")

var errUnavailable = fault.Unavailable(errors.New("the port failed"))

// Faults is a gate that lets all calls through but one. It is safe for concurrent use.
type Faults struct {
	At  int // the number of the call that fails, from 1; 0: none does
	How Fault

	mu    sync.Mutex
	calls []Call
	stop  context.CancelFunc
}

// Context is the context of an operation behind the gate, which the gate may cancel.
func (f *Faults) Context(ctx context.Context) context.Context {
	ctx, f.stop = context.WithCancel(ctx)
	return ctx
}

// next returns the fault of the next call; "" for none.
func (f *Faults) next(c Call) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, c)
	if n := len(f.calls); f.At > 0 && (n == f.At || n > f.At && f.How == Down) {
		return f.How
	}
	return ""
}

// may reports whether a fault can happen to a call.
func (c Call) may(how Fault) bool {
	switch how {
	case After:
		return c.Kind != Reads
	case HalfWay:
		return c.Half != nil
	}
	return true
}

// Pass is Gate.
func (f *Faults) Pass(ctx context.Context, c Call) error {
	switch f.next(c) {
	case Before, Down:
		return errUnavailable
	case Broken:
		return ErrBroken
	case After:
		return errors.Join(errUnavailable, c.Do(ctx))
	case HalfWay:
		return errors.Join(errUnavailable, c.Half(ctx))
	case CancelBefore:
		f.stop()
	case CancelAfter:
		defer f.stop()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.Do(ctx)
}

// Trial is one run of an operation over stores of its own.
type Trial struct {
	Run   func(ctx context.Context, g Gate) error // the operation, with its ports behind the gate
	Again func(ctx context.Context, g Gate) error // repeats it after a failure; nil: Run
	State func() string                           // what is to be the same whatever failed on the way
}

// Sweep lets each call of an operation fail in turn, in each way. An operation must report the failure, or
// end in the same state as a run without one. Repeated after a reported failure, it must end in that
// state too. begin makes a trial over new stores. A short test lets each call fail in one way only.
func Sweep(t *testing.T, begin func(t *testing.T) Trial) {
	t.Helper()
	whole, trial := &Faults{}, begin(t)
	if err := trial.Run(whole.Context(t.Context()), whole); err != nil {
		t.Fatalf("without a failure: %v", err)
	}
	want := trial.State()
	for i, how := range allFaults {
		for n, call := range whole.calls {
			if !call.may(how) || testing.Short() && n%len(allFaults) != i {
				continue
			}
			if wrong := tryFault(t, begin, &Faults{At: n + 1, How: how}, want); wrong != "" {
				t.Errorf("call %d of %d, %q, %s: %s", n+1, len(whole.calls), call.Op, how, wrong)
				break // the others are most likely the same
			}
		}
	}
}

// tryFault runs an operation in which a call fails, and again without. It returns what is wrong.
func tryFault(t *testing.T, begin func(t *testing.T) Trial, f *Faults, want string) string {
	t.Helper()
	trial := begin(t)
	err := trial.Run(f.Context(t.Context()), f)
	if err == nil {
		if got := trial.State(); got != want {
			return "nothing is reported, and yet (-right +left):\n" + cmp.Diff(want, got)
		}
		return ""
	}
	again, none := trial.Again, &Faults{}
	if again == nil {
		again = trial.Run
	}
	if err := again(none.Context(t.Context()), none); err != nil {
		return "repeated, it fails: " + err.Error()
	}
	if got := trial.State(); got != want {
		return "repeated, it leaves (-right +left):\n" + cmp.Diff(want, got)
	}
	return ""
}
