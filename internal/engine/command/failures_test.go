package command_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
	"gakushoku/internal/store/memory"
)

var errDisk = fault.Unavailable(errors.New("the disk is gone"))

// scripted is a store whose calls a test can replace.
type scripted struct {
	*memory.Events
	load   func() ([]event.Event, error)
	append func() error
}

func (s scripted) Load(ctx context.Context, stream string, after uint64) ([]event.Event, error) {
	if s.load != nil {
		return s.load()
	}
	return s.Events.Load(ctx, stream, after)
}

func (s scripted) Append(ctx context.Context, stream string, expected uint64, events []event.Event) error {
	if s.append != nil {
		if err := s.append(); err != nil {
			return err
		}
	}
	return s.Events.Append(ctx, stream, expected, events)
}

// placed is a store with one order, o1.
func placed(t *testing.T) *memory.Events {
	t.Helper()
	s := memory.NewEvents()
	if _, err := place(t.Context(), handler(s), order.PlaceOrder{OrderID: "o1", Total: yen(780)}, "key-1"); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestACommandOnAStoreThatFailsIsAnInfraErrorAndAppendsNothing(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*scripted){
		"nothing can be read": func(s *scripted) { s.load = func() ([]event.Event, error) { return nil, errDisk } },
		"the reading breaks off": func(s *scripted) {
			half := history(t, s.Events, "o1")
			s.load = func() ([]event.Event, error) { return half, errDisk }
		},
		"nothing can be appended": func(s *scripted) { s.append = func() error { return errDisk } },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := scripted{Events: placed(t)}
			fail(&s)
			_, err := change(t.Context(), handler(s), "o1", order.PayOrder{Method: order.MethodCard}, "key-2")
			if !errors.Is(err, errDisk) || fault.ClassOf(err) != fault.Infra {
				t.Errorf("got %v, want the store's error", err)
			}
			if n := len(history(t, s.Events, "o1")); n != 1 {
				t.Errorf("%d events, want 1", n)
			}
		})
	}
}

func TestACommandWhoseContextEndsWhileItBacksOffFails(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	s := scripted{Events: placed(t)}
	stored := history(t, s.Events, "o1")
	s.load = func() ([]event.Event, error) { return stored, nil } // a store that does not look at the context
	s.append = func() error {
		tries++
		cancel()
		return eventstore.ErrConflict
	}
	_, err := change(ctx, handler(s), "o1", order.PayOrder{Method: order.MethodCard}, "key-2")
	if !errors.Is(err, context.Canceled) || tries != 1 {
		t.Errorf("%d tries, then %v; want one, then that the context was cancelled", tries, err)
	}
}

func TestOnlyACommandThatLostARaceWaits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		lost  int
		waits bool
	}{{"none lost", 0, false}, {"three lost", 3, true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				s := scripted{Events: placed(t), append: func() error {
					if tries++; tries <= c.lost {
						return eventstore.ErrConflict
					}
					return nil
				}}
				before := time.Now()
				r, err := change(t.Context(), handler(s), "o1", order.PayOrder{Method: order.MethodCard}, "key-2")
				if err != nil || r.State.Status != order.StatusPaid || r.Version != 2 {
					t.Errorf("got %+v, %v", r, err)
				}
				if took := time.Since(before); took > 0 != c.waits {
					t.Errorf("waited %s", took)
				}
			})
		})
	}
}

// paidOnly is a stream that cannot be folded: a payment of an order that was never placed.
func paidOnly(t *testing.T, commandID, hash string) *memory.Events {
	t.Helper()
	e, err := event.New(order.Paid{OrderID: "o1", Method: order.MethodCard})
	if err != nil {
		t.Fatal(err)
	}
	e.ID, e.OccurredAt, e.CommandID, e.CommandHash = "e1", event.InstantOf(time.Now()), commandID, hash
	s := memory.NewEvents()
	if err := s.Append(t.Context(), order.Stream("o1"), 0, []event.Event{e}); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNoCommandIsDecidedOnAStreamThatCannotBeFolded(t *testing.T) {
	t.Parallel()
	hash, err := command.Hash(order.PayOrder{}.CommandName(), order.PayOrder{Method: order.MethodCard})
	if err != nil {
		t.Fatal(err)
	}
	for key, c := range map[string]order.Command{
		"another":   order.PlaceOrder{OrderID: "o1", Total: yen(780)},
		"the first": order.PayOrder{Method: order.MethodCard}, // whose outcome cannot be told again
	} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			s := paidOnly(t, "the first", hash)
			r, err := change(t.Context(), handler(s), "o1", c, key)
			if err == nil || errors.Is(err, command.ErrKeyReused) {
				t.Errorf("got %+v, %v; want that the stream cannot be folded", r, err)
			}
			if n := len(history(t, s, "o1")); n != 1 {
				t.Errorf("%d events, want 1", n)
			}
		})
	}
}

func TestCommandsWithoutAKeyAreCommandsOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := memory.NewEvents()
	h := handler(s)
	ids := map[string]bool{}
	for range 2 {
		r, err := place(t.Context(), h, order.PlaceOrder{Total: yen(780)}, "")
		if err != nil || r.Repeated || len(r.Events) != 1 {
			t.Fatalf("got %+v, %v", r, err)
		}
		ids[r.State.OrderID], ids[r.Events[0].CommandID] = true, true
	}
	if len(ids) != 4 || ids[""] {
		t.Errorf("ids of two orders and two commands: %v", ids)
	}
}

// unwritable is a payload that JSON has no form for.
type unwritable struct{ Channel chan int }

func (unwritable) EventType() string { return "Unwritable" }

type try struct{}

func (try) CommandName() string { return "Try" }

// always decides the same, on a state that counts events.
func always(payloads []event.Payload, evolve error) model.Decider[int, try] {
	return model.Decider[int, try]{
		Decide: func(int, try) ([]event.Payload, error) { return payloads, nil },
		Evolve: func(n int, _ *event.Event) (int, error) { return n + 1, evolve },
	}
}

func TestADecisionThatCannotBeCarriedOutIsAnError(t *testing.T) {
	t.Parallel()
	broken := errors.New("the fold is broken")
	for name, c := range map[string]struct {
		decider model.Decider[int, try]
		want    string
	}{
		"an event without JSON":          {always([]event.Payload{unwritable{}}, nil), "encoding Unwritable"},
		"its own event cannot be folded": {always([]event.Payload{order.Placed{OrderID: "o1"}}, broken), broken.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := command.Execute(t.Context(), handler(memory.NewEvents()), c.decider, command.Request[try]{ID: "o1"})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %+v, %v; want an error with %q", r, err, c.want)
			}
		})
	}
	if hash, err := command.Hash("Try", unwritable{}); err == nil {
		t.Errorf("the hash of what has no JSON is %q", hash)
	}
}
