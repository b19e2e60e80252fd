package command_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/memory"
)

// TestAKnownStreamIsNotLoaded plays a command on a stream that the caller has, as it is and as it was.
func TestAKnownStreamIsNotLoaded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		known   int // events that the caller has of three: placed, paid, prepared
		sent    order.Command
		key     string
		loaded  int // events
		version uint64
		code    string
	}{
		"as it is":             {3, order.MarkReady{}, "k4", 0, 4, ""},
		"lost race":            {2, order.CancelOrder{}, "k4", 3, 0, order.CodeTooLateToCancel},
		"refused by an old":    {2, order.MarkReady{}, "k4", 3, 4, ""},
		"refused as it is":     {3, order.PayOrder{Method: order.MethodCash}, "k4", 3, 0, order.CodeAlreadyPaid},
		"repeated":             {3, order.PayOrder{Method: order.MethodCash}, "k2", 0, 2, ""},
		"repeated, but is old": {1, order.PayOrder{Method: order.MethodCash}, "k2", 3, 2, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &counted{Events: memory.NewEvents()}
			h := &command.Handler{Streams: s, Now: time.Now, NewID: observe.NewID}
			for i, c := range []order.Command{order.PlaceOrder{OrderID: "o1", Total: yen(780)}, order.PayOrder{Method: order.MethodCash}, order.StartPreparing{}} {
				if _, err := change(t.Context(), h, "o1", c, []string{"k1", "k2", "k3"}[i]); err != nil {
					t.Fatal(err)
				}
			}
			before := history(t, s.Events, "o1")
			s.taken()
			r, err := command.Execute(t.Context(), h, order.Rules, command.Request[order.Command]{ID: "o1", Command: c.sent, Key: c.key, Known: before[:c.known:c.known]})
			loaded := s.taken()
			var refused *order.Error
			if errors.As(err, &refused) != (c.code != "") || err != nil && refused.Code != c.code || r.Version != c.version || loaded != c.loaded {
				t.Errorf("version %d and %d loaded, %v; want version %d and %d loaded, %q", r.Version, loaded, err, c.version, c.loaded, c.code)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(history(t, s.Events, "o1"), r.History); diff != "" {
				t.Errorf("the history (-stored +result):\n%s", diff)
			}
		})
	}
}
