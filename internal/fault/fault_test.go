package fault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"gakushoku/internal/fault"
)

type refusal string

func (r refusal) Error() string      { return string(r) }
func (r refusal) DomainCode() string { return string(r) }

func TestClassOf(t *testing.T) {
	t.Parallel()
	plain := errors.New("boom")
	for name, tc := range map[string]struct {
		err  error
		want fault.Class
	}{
		"a refusal is domain":                 {fmt.Errorf("placing: %w", refusal("order/not-found")), fault.Domain},
		"an unavailable store is infra":       {fmt.Errorf("append: %w", fault.Unavailable(plain)), fault.Infra},
		"a cancelled caller is infra":         {fmt.Errorf("load: %w", context.Canceled), fault.Infra},
		"a deadline is infra":                 {context.DeadlineExceeded, fault.Infra},
		"anything else is a bug":              {plain, fault.Bug},
		"a refusal behind infra stays domain": {fault.Unavailable(refusal("x")), fault.Domain},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := fault.ClassOf(tc.err); got != tc.want {
				t.Errorf("ClassOf = %s, want %s", got, tc.want)
			}
		})
	}
}

func TestUnavailableKeepsTheCauseAndTheWait(t *testing.T) {
	t.Parallel()
	cause := errors.New("throttled")
	err := fmt.Errorf("append: %w", fault.UnavailableFor(cause, 2*time.Second))
	if !errors.Is(err, cause) {
		t.Error("the cause is lost")
	}
	if got := fault.RetryAfter(err); got != 2*time.Second {
		t.Errorf("RetryAfter = %s, want 2s", got)
	}
	if fault.Unavailable(nil) != nil {
		t.Error("Unavailable(nil) must be nil")
	}
}
