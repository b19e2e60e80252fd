package retry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"gakushoku/internal/fault"
	"gakushoku/internal/fault/retry"
)

var errBusy = errors.New("busy")

// tried calls Do with an op that is busy for the given number of tries, and returns when each try began.
func tried(ctx context.Context, p retry.Policy, busy int) (begun []time.Duration, err error) {
	start := time.Now()
	err = retry.Do(ctx, p, func() (bool, error) {
		begun = append(begun, time.Since(start))
		if len(begun) > busy {
			return false, nil
		}
		return true, fmt.Errorf("try %d: %w", len(begun), errBusy)
	})
	return begun, err
}

func TestPausesDoubleUpToTheLongest(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		policy retry.Policy
		busy   int
		begun  []time.Duration
		last   string
	}{
		"at once":             {retry.Policy{Tries: 3, First: ms}, 0, []time.Duration{0}, ""},
		"growing":             {retry.Policy{Tries: 9, First: 2 * ms, Longest: 8 * ms}, 4, []time.Duration{0, 2 * ms, 6 * ms, 14 * ms, 22 * ms}, ""},
		"of the same length":  {retry.Policy{First: 5 * ms}, 3, []time.Duration{0, 5 * ms, 10 * ms, 15 * ms}, ""},
		"of no length":        {retry.Policy{Tries: 3}, 9, []time.Duration{0, 0, 0}, "try 3: busy"},
		"until the last try":  {retry.Policy{Tries: 2, First: ms}, 2, []time.Duration{0, ms}, "try 2: busy"},
		"within a limit":      {retry.Policy{Within: 25 * ms, First: 10 * ms}, 9, []time.Duration{0, 10 * ms, 20 * ms}, "try 3: busy"},
		"none: only one try":  {retry.Policy{Tries: 1, First: ms}, 9, []time.Duration{0}, "try 1: busy"},
		"that reach the last": {retry.Policy{Tries: 3, First: ms}, 2, []time.Duration{0, ms, 2 * ms}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begun, err := tried(t.Context(), c.policy, c.busy)
				if !slices.Equal(begun, c.begun) {
					t.Errorf("tries began at %v, want %v", begun, c.begun)
				}
				if c.last == "" && err != nil || c.last != "" && (err == nil || err.Error() != c.last) {
					t.Errorf("got %v, want %q", err, c.last)
				}
			})
		})
	}
}

func TestJitterShortensPausesByAtMostItsShare(t *testing.T) {
	t.Parallel()
	for _, jitter := range []float64{0, 0.5, 1} {
		synctest.Test(t, func(t *testing.T) {
			const longest = 100 * time.Millisecond
			begun, err := tried(t.Context(), retry.Policy{First: longest, Jitter: jitter}, 300)
			if err != nil {
				t.Fatal(err)
			}
			least, most := longest, time.Duration(0)
			for i := 1; i < len(begun); i++ {
				pause := begun[i] - begun[i-1]
				least, most = min(least, pause), max(most, pause)
			}
			floor := time.Duration(float64(longest) * (1 - jitter))
			if least < floor || most > longest+1 || least > floor+longest/10 || most < longest*9/10 {
				t.Errorf("jitter %v: pauses from %s to %s, want all of %s to %s", jitter, least, most, floor, longest)
			}
		})
	}
}

func TestAnErrorThatAllowsNoOtherTryIsReturnedAsItIs(t *testing.T) {
	t.Parallel()
	for _, tries := range []int{1, 9} {
		n := 0
		err := retry.Do(t.Context(), retry.Policy{Tries: tries}, func() (bool, error) { n++; return false, errBusy })
		if err != errBusy || n != 1 { //nolint:errorlint // not even wrapped
			t.Errorf("%d of %d tries: %#v", n, tries, err)
		}
	}
}

func TestTheEndOfTheContextEndsAPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Millisecond)
		defer cancel()
		start := time.Now()
		begun, err := tried(ctx, retry.Policy{First: 10 * time.Millisecond}, 99)
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || len(begun) != 2 || took != 15*time.Millisecond {
			t.Errorf("%d tries in %s, then %v; want two, and the context's end at 15ms", len(begun), took, err)
		}
	})
}

func TestTheEndOfTheContextIsNotCoveredByWhatAnOpSaysAboutIt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errBusy)
	said := fmt.Errorf("reading: %w", ctx.Err())
	if err := retry.Do(ctx, retry.Policy{}, func() (bool, error) { return true, said }); err != said { //nolint:errorlint // not even wrapped
		t.Errorf("got %v, want what op said", err)
	}
	if begun, err := tried(ctx, retry.Policy{}, 99); !errors.Is(err, context.Canceled) || len(begun) != 1 {
		t.Errorf("%d tries, then %v; want one, then that it was cancelled", len(begun), err)
	}
	if begun, err := tried(ctx, retry.Policy{}, 0); err != nil || len(begun) != 1 {
		t.Errorf("%d tries, then %v; want the outcome of the one try", len(begun), err)
	}
}

func TestUnavailableRepeatsInfrastructureErrorsOnly(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]int{nil: 1, errBusy: 1, fault.Unavailable(errBusy): 3} {
		n := 0
		got := retry.Do(t.Context(), retry.Policy{Tries: 3}, retry.Unavailable(func() error { n++; return err }))
		if !errors.Is(got, err) || n != want {
			t.Errorf("%v: %d tries, want %d, and %v", err, n, want, got)
		}
	}
}
