package awsfaulttest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"gakushoku/internal/fault"
)

// Operation is an action of an adapter that takes one or several requests.
type Operation struct {
	// Begin creates what the operation works on, over a network without faults.
	Begin func(t *testing.T) Attempt
}

// Attempt is one operation, to be tried over a network that fails once.
type Attempt struct {
	// Do carries the operation out with a client for an address, which must not repeat requests.
	Do func(ctx context.Context, address string) error
	// Again reports whether an error of Do, called again after a failure, says that the first call had been
	// carried out. It may be nil.
	Again func(err error) bool
	// Check checks the result once the operation has been reported as done.
	Check func(t *testing.T)
}

// Sweep makes each request of an operation fail in each way, and by the end of its context during the
// request. The operation must either report the failure as retryable or be done; after a repetition without a
// failure, its result must be right.
func Sweep(t *testing.T, target http.Handler, throttle http.HandlerFunc, o Operation) {
	for _, f := range append([]Fault{cancelled}, Faults...) {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			for n := int64(0); sweepOne(t, target, throttle, o, f, n); n++ {
			}
		})
	}
}

// cancelled is the end of the context while the service has the request.
const cancelled Fault = "the caller leaves"

// sweepOne makes request n fail; it returns false if the operation has fewer requests.
func sweepOne(t *testing.T, target http.Handler, throttle http.HandlerFunc, o Operation, f Fault, n int64) bool {
	t.Helper()
	attempt := o.Begin(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var sent atomic.Int64
	var met atomic.Bool
	address := Serve(t, &Proxy{Target: target, Throttle: throttle, Plan: func(*http.Request) Fault {
		switch {
		case sent.Add(1)-1 != n:
			return None
		case f == cancelled:
			met.Store(true)
			cancel()
			return Silent
		}
		met.Store(true)
		return f
	}})
	err := attempt.Do(ctx, address)
	if !met.Load() && err == nil {
		return false
	}
	where := fmt.Sprintf("request %d", n)
	switch {
	case !met.Load():
		t.Fatalf("%s: failed without a failure: %v", where, err)
	case f == cancelled && err != nil && !errors.Is(err, context.Canceled):
		t.Errorf("%s: an ended context came back as %v", where, err)
	case fault.ClassOf(err) != fault.Infra && err != nil:
		t.Errorf("%s: class %s: %v", where, fault.ClassOf(err), err)
	case err != nil:
		if err := attempt.Do(t.Context(), address); err != nil && (attempt.Again == nil || !attempt.Again(err)) {
			t.Errorf("%s, again: %v", where, err)
		}
	}
	attempt.Check(t)
	return true
}
