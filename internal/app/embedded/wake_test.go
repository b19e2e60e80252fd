package embedded

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/event"
)

var wakeUps = flag.Int("wakeups", 200, "appends that each have to wake the projector")

// TestEveryAppendWakesTheProjector gives the follower no second chance: it never looks by itself,
// and each order comes only when the one before it is applied. A wake-up that is lost between a
// look that finds nothing and the wait for the next append would be waited for in vain.
func TestEveryAppendWakesTheProjector(t *testing.T) {
	t.Parallel()
	f := openFolder(t)
	follower := f.Follower()
	follower.Poll = time.Hour
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- follower.Run(ctx) }()
	commands := f.Commands()
	total := int64(780)
	for i := range *wakeUps {
		// The append falls into every moment of the follower's round, which takes about 0.3 ms.
		time.Sleep(time.Duration(rand.IntN(600)) * time.Microsecond)
		placed, err := command.Execute(t.Context(), commands, order.Rules, command.Request[order.Command]{Command: order.PlaceOrder{OrderID: fmt.Sprintf("o%d", i), Total: &total}, Key: ""})
		if err != nil {
			t.Fatal(err)
		}
		awaitApplied(t, f, placed.Events[0])
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// awaitApplied waits until the projector's checkpoint is behind the event.
func awaitApplied(t *testing.T, f *Folder, e event.Event) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		head, applied, _, err := f.lag(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if applied == head {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the projector slept over %s: %d of %d events are applied", e.Stream, applied, head)
		}
	}
}
