package command_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/command"
	"gakushoku/internal/event"
	"gakushoku/internal/eventstore"
	"gakushoku/internal/fault"
	"gakushoku/internal/memory"
	"gakushoku/internal/observe"
	"gakushoku/internal/order"
)

func handler(streams command.Streams) *command.Handler {
	return &command.Handler{Streams: streams, Now: time.Now, NewID: observe.NewID}
}

func yen(n int64) *int64 { return &n }

func history(t *testing.T, s *memory.Events, id string) []event.Event {
	t.Helper()
	events, err := s.Load(t.Context(), event.OrderStream(id), 0)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestACommandCarriesItsContextIntoItsEvents(t *testing.T) {
	t.Parallel()
	s := memory.NewEvents()
	ctx := observe.WithCaller(observe.WithCorrelationID(t.Context(), "c1"), observe.Caller{Name: "user-7"})
	if _, err := handler(s).PlaceOrder(ctx, order.PlaceOrder{OrderID: "o1", Total: yen(780)}, "key-1"); err != nil {
		t.Fatal(err)
	}
	e := history(t, s, "o1")[0]
	got := []string{e.CorrelationID, e.Actor, e.CommandID, e.CausationID, e.Type, e.Stream}
	if diff := cmp.Diff([]string{"c1", "user-7", "key-1", "key-1", event.OrderPlacedType, "order-o1"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if e.ID == "" || e.OccurredAt.IsZero() || e.CommandHash == "" || e.Schema != 2 {
		t.Errorf("the envelope is incomplete: %+v", e)
	}
}

func TestARepeatedKeyGivesTheFirstAnswer(t *testing.T) {
	t.Parallel()
	s := memory.NewEvents()
	h := handler(s)
	first, err := h.PlaceOrder(t.Context(), order.PlaceOrder{Total: yen(780)}, "key-1")
	if err != nil {
		t.Fatal(err)
	}
	id := first.State.OrderID
	if _, err := h.ChangeOrder(t.Context(), id, order.PayOrder{Method: event.MethodCard}, "key-2"); err != nil {
		t.Fatal(err)
	}
	again, err := h.PlaceOrder(t.Context(), order.PlaceOrder{Total: yen(780)}, "key-1")
	if err != nil || !again.Repeated {
		t.Fatalf("repeated: %v, %v", again.Repeated, err)
	}
	if diff := cmp.Diff(first.State, again.State); diff != "" || again.Version != 1 {
		t.Errorf("the answer is another one, version %d (-first +again):\n%s", again.Version, diff)
	}
	if n := len(history(t, s, id)); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
}

func TestAKeyOfAnotherCommandIsRefused(t *testing.T) {
	t.Parallel()
	h := handler(memory.NewEvents())
	placed, err := h.PlaceOrder(t.Context(), order.PlaceOrder{Total: yen(780)}, "key-1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.PlaceOrder(t.Context(), order.PlaceOrder{Total: yen(781)}, "key-1"); !errors.Is(err, command.ErrKeyReused) {
		t.Errorf("another body: %v, want ErrKeyReused", err)
	}
	if _, err := h.ChangeOrder(t.Context(), placed.State.OrderID, order.CancelOrder{}, "key-1"); !errors.Is(err, command.ErrKeyReused) {
		t.Errorf("another command: %v, want ErrKeyReused", err)
	}
	if fault.ClassOf(command.ErrKeyReused) != fault.Domain {
		t.Error("a reused key must be a refusal")
	}
	other := observe.WithCaller(t.Context(), observe.Caller{Name: "another guest"})
	theirs, err := h.PlaceOrder(other, order.PlaceOrder{Total: yen(500)}, "key-1")
	if err != nil || theirs.State.OrderID == placed.State.OrderID {
		t.Errorf("the same key of another caller: order %s, %v", theirs.State.OrderID, err)
	}
}

func TestConcurrentCommandsWithOneKeyAppendOnce(t *testing.T) {
	t.Parallel()
	s := memory.NewEvents()
	h := handler(s)
	var group sync.WaitGroup
	ids := make(chan string, 16)
	for range 16 {
		group.Go(func() {
			r, err := h.PlaceOrder(t.Context(), order.PlaceOrder{Total: yen(780)}, "key-1")
			if err != nil {
				t.Errorf("PlaceOrder: %v", err)
			}
			ids <- r.State.OrderID
		})
	}
	group.Wait()
	close(ids)
	for id := range ids {
		if n := len(history(t, s, id)); n != 1 {
			t.Errorf("%d events, want 1", n)
		}
	}
}

func TestOfConcurrentPaymentsOneWins(t *testing.T) {
	t.Parallel()
	s := memory.NewEvents()
	h := handler(s)
	if _, err := h.PlaceOrder(t.Context(), order.PlaceOrder{OrderID: "o1", Total: yen(780)}, ""); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	results := make(chan error, 8)
	for i := range 8 {
		group.Go(func() {
			_, err := h.ChangeOrder(t.Context(), "o1", order.PayOrder{Method: event.MethodCard}, fmt.Sprintf("key-%d", i))
			results <- err
		})
	}
	group.Wait()
	close(results)
	paid := 0
	for err := range results {
		if err == nil {
			paid++
		} else if !errors.Is(err, &order.Error{Code: order.CodeAlreadyPaid}) {
			t.Errorf("a payment that lost: %v", err)
		}
	}
	if paid != 1 || len(history(t, s, "o1")) != 2 {
		t.Errorf("%d payments won, %d events", paid, len(history(t, s, "o1")))
	}
}

// contested is a store whose appends always lose the race.
type contested struct{ *memory.Events }

func (contested) Append(context.Context, string, uint64, []event.Event) error {
	return eventstore.ErrConflict
}

func TestACommandThatAlwaysLosesGivesUp(t *testing.T) {
	t.Parallel()
	_, err := handler(contested{memory.NewEvents()}).PlaceOrder(t.Context(), order.PlaceOrder{Total: yen(1)}, "")
	if err == nil || fault.ClassOf(err) != fault.Infra || fault.RetryAfter(err) == 0 {
		t.Errorf("got %v (class %s), want an infra error that says when to try again", err, fault.ClassOf(err))
	}
}
