package faultport

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/fault"
)

// Fault is what goes wrong with a call.
type Fault string

// The faults. All but Broken and the cancellations return retryable errors.
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

// ErrBroken is the error of a call with the fault Broken.
var ErrBroken = errors.New("the port is broken")

var errUnavailable = fault.Unavailable(errors.New("the port failed"))

// Faults is a gate that lets one call fail. It is safe for concurrent use.
type Faults struct {
	At  int // the number of the call that fails, from 1; 0 if none does
	How Fault

	mu    sync.Mutex
	calls []Call
	stop  context.CancelFunc
}

// Context returns the context of an operation behind the gate, which the gate may cancel.
func (f *Faults) Context(ctx context.Context) context.Context {
	ctx, f.stop = context.WithCancel(ctx)
	return ctx
}

// next returns the fault of the next call; "" if there is none.
func (f *Faults) next(c Call) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, c)
	if n := len(f.calls); f.At > 0 && (n == f.At || n > f.At && f.How == Down) {
		return f.How
	}
	return ""
}

// may reports whether a fault is possible for a call.
func (c Call) may(how Fault) bool {
	switch how {
	case After:
		return c.Kind != Reads
	case HalfWay:
		return c.Half != nil
	}
	return true
}

// Pass implements Gate.
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

// Trial is one run of an operation on stores of its own.
type Trial struct {
	Run   func(ctx context.Context, g Gate) error // the operation, with its ports behind the gate
	Again func(ctx context.Context, g Gate) error // repeats the operation after a failure; nil: Run
	State func() string                           // returns what must be the same whatever failed
}

// Sweep lets each call of an operation fail in turn, in each possible way. The operation must report the
// failure, or end in the same state as a run without one. If it is repeated after a reported failure, it
// must end in that state too. begin creates a trial on new stores. In short mode, each call fails in one
// way only.
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
				break // the other ways most likely fail alike
			}
		}
	}
}

// tryFault runs an operation in which a call fails, and then again without faults. It returns what is wrong.
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
