package wait_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"gakushoku/internal/fault/wait"
)

func TestForEndsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := wait.For(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if err := wait.For(t.Context(), time.Nanosecond); err != nil {
		t.Errorf("got %v, want nil", err)
	}
}

func TestForPrefersAnEndedContextToAPauseThatIsOver(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		if err := wait.For(ctx, 0); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want context.Canceled", err)
		}
	}
}
