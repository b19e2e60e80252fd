package command_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/canteen/menu"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/memory"
)

func handler(streams command.Streams) *command.Handler {
	return &command.Handler{Streams: streams, Now: time.Now, NewID: observe.NewID, Cache: &command.Cache{Least: 1}}
}

func place(ctx context.Context, h *command.Handler, c order.PlaceOrder, key string) (command.Result[order.State], error) {
	return change(ctx, h, "", c, key)
}

func change(ctx context.Context, h *command.Handler, id string, c order.Command, key string) (command.Result[order.State], error) {
	return command.Execute(ctx, h, order.Rules, command.Request[order.Command]{ID: id, Command: c, Key: key})
}

func yen(n int64) *int64 { return &n }

func history(t *testing.T, s *memory.Events, id string) []event.Event {
	t.Helper()
	events, err := s.Load(t.Context(), order.Stream(id), 0)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestACommandCarriesItsContextIntoItsEvents(t *testing.T) {
	t.Parallel()
	s := memory.NewEvents()
	ctx := observe.WithCaller(observe.WithCorrelationID(t.Context(), "c1"), observe.Caller{Name: "user-7"})
	if _, err := place(ctx, handler(s), order.PlaceOrder{OrderID: "o1", Total: yen(780)}, "key-1"); err != nil {
		t.Fatal(err)
	}
	e := history(t, s, "o1")[0]
	got := []string{e.CorrelationID, e.Actor, e.CommandID, e.CausationID, e.Type, e.Stream}
	if diff := cmp.Diff([]string{"c1", "user-7", "key-1", "key-1", order.PlacedType, "order-o1"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if e.ID == "" || e.OccurredAt.IsZero() || e.CommandHash == "" || e.Schema != 3 {
		t.Errorf("the envelope is incomplete: %+v", e)
	}
}

func TestARepeatedKeyGivesTheFirstAnswer(t *testing.T) {
	t.Parallel()
	s := memory.NewEvents()
	h := handler(s)
	first, err := place(t.Context(), h, order.PlaceOrder{Total: yen(780)}, "key-1")
	if err != nil {
		t.Fatal(err)
	}
	id := first.State.OrderID
	if _, err := change(t.Context(), h, id, order.PayOrder{Method: order.MethodCard}, "key-2"); err != nil {
		t.Fatal(err)
	}
	again, err := place(t.Context(), h, order.PlaceOrder{Total: yen(780)}, "key-1")
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
	placed, err := place(t.Context(), h, order.PlaceOrder{Total: yen(780)}, "key-1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := place(t.Context(), h, order.PlaceOrder{Total: yen(781)}, "key-1"); !errors.Is(err, command.ErrKeyReused) {
		t.Errorf("another body: %v, want ErrKeyReused", err)
	}
	if _, err := change(t.Context(), h, placed.State.OrderID, order.CancelOrder{}, "key-1"); !errors.Is(err, command.ErrKeyReused) {
		t.Errorf("another command: %v, want ErrKeyReused", err)
	}
	if fault.ClassOf(command.ErrKeyReused) != fault.Domain {
		t.Error("a reused key must be a refusal")
	}
	other := observe.WithCaller(t.Context(), observe.Caller{Name: "another guest"})
	theirs, err := place(other, h, order.PlaceOrder{Total: yen(500)}, "key-1")
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
			r, err := place(t.Context(), h, order.PlaceOrder{Total: yen(780)}, "key-1")
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
	if _, err := place(t.Context(), h, order.PlaceOrder{OrderID: "o1", Total: yen(780)}, ""); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	results := make(chan error, 8)
	for i := range 8 {
		group.Go(func() {
			_, err := change(t.Context(), h, "o1", order.PayOrder{Method: order.MethodCard}, fmt.Sprintf("key-%d", i))
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
	_, err := place(t.Context(), handler(contested{memory.NewEvents()}), order.PlaceOrder{Total: yen(1)}, "")
	if err == nil || fault.ClassOf(err) != fault.Infra || fault.RetryAfter(err) == 0 {
		t.Errorf("got %v (class %s), want an infra error that says when to try again", err, fault.ClassOf(err))
	}
}

// unconfirmed is a store that fails after each append, or before it, and then cannot be read
// for some calls.
type unconfirmed struct {
	*memory.Events
	before, after error
	unreadable    int // loads after the failure that fail too
	failed        bool
}

func (s *unconfirmed) Append(ctx context.Context, stream string, expected uint64, events []event.Event) error {
	s.failed = true
	if s.before != nil {
		return s.before
	}
	// A store says which versions the events have only when it is sure that it has them.
	if err := s.Events.Append(ctx, stream, expected, slices.Clone(events)); err != nil {
		return err
	}
	return s.after
}

func (s *unconfirmed) Load(ctx context.Context, stream string, after uint64) ([]event.Event, error) {
	if s.failed && s.unreadable > 0 {
		s.unreadable--
		return nil, s.after
	}
	return s.Events.Load(ctx, stream, after)
}

func TestAnUnconfirmedAppendIsLookedUp(t *testing.T) {
	t.Parallel()
	lost := fault.Unavailable(errors.New("the response broke off"))
	taken := order.PlaceOrder{OrderID: "o1", Total: yen(780)}
	t.Run("and succeeds when its events are there", func(t *testing.T) {
		t.Parallel()
		s := &unconfirmed{Events: memory.NewEvents(), after: lost}
		r, err := place(t.Context(), handler(s), taken, "key-1")
		if err != nil || r.Repeated || r.Version != 1 || len(r.Events) != 1 || r.Events[0].Version != 1 || r.State.OrderID != "o1" {
			t.Errorf("%+v, %v", r, err)
		}
	})
	t.Run("and is unavailable when they are not", func(t *testing.T) {
		t.Parallel()
		s := &unconfirmed{Events: memory.NewEvents(), before: lost}
		if _, err := place(t.Context(), handler(s), taken, "key-1"); fault.ClassOf(err) != fault.Infra || !errors.Is(err, lost) {
			t.Errorf("%v", err)
		}
	})
	t.Run("and is unavailable when nobody can tell, until the key is sent again", func(t *testing.T) {
		t.Parallel()
		s := &unconfirmed{Events: memory.NewEvents(), after: lost, unreadable: 1}
		if _, err := place(t.Context(), handler(s), taken, "key-1"); fault.ClassOf(err) != fault.Infra {
			t.Errorf("%v", err)
		}
		r, err := place(t.Context(), handler(s), taken, "key-1")
		if err != nil || !r.Repeated || len(history(t, s.Events, "o1")) != 1 {
			t.Errorf("%+v, %v", r, err)
		}
	})
	t.Run("and another's events at its place are not its own", func(t *testing.T) {
		t.Parallel()
		s := &unconfirmed{Events: memory.NewEvents(), before: lost}
		h := handler(s)
		h.NewID = func() string { // between load and append
			if len(history(t, s.Events, "o1")) == 0 {
				if _, err := place(t.Context(), handler(s.Events), taken, "another"); err != nil {
					t.Error(err)
				}
			}
			return observe.NewID()
		}
		if _, err := place(t.Context(), h, taken, "key-1"); fault.ClassOf(err) != fault.Infra {
			t.Errorf("%v", err)
		}
	})
}

func TestTheKeyOfAnotherCallerIsAnotherCommand(t *testing.T) {
	t.Parallel()
	s := memory.NewEvents()
	h := handler(s)
	till := observe.WithCaller(t.Context(), observe.Caller{Name: "till"})
	web := observe.WithCaller(t.Context(), observe.Caller{Name: "web"})
	taken := order.PlaceOrder{OrderID: "o1", Total: yen(780)}
	if _, err := place(till, h, taken, "key-1"); err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]context.Context{"another caller": web, "nobody": t.Context()} {
		if _, err := place(other, h, taken, "key-1"); !errors.Is(err, &order.Error{Code: order.CodeAlreadyExists}) {
			t.Errorf("%s gets the first one's order: %v", name, err)
		}
	}
	if again, err := place(till, h, taken, "key-1"); err != nil || !again.Repeated {
		t.Errorf("the caller itself: repeated %t, %v", again.Repeated, err)
	}
	if _, err := change(web, h, "o1", order.PayOrder{Method: order.MethodCash}, "key-1"); err != nil {
		t.Errorf("another command of another caller under the same key: %v", err)
	}
}

func TestAnotherCallersAggregateIsAsGoodAsNotThere(t *testing.T) {
	t.Parallel()
	s := memory.NewEvents()
	h := handler(s)
	as := func(name string) context.Context { return observe.WithCaller(t.Context(), observe.Caller{Name: name}) }
	if _, err := place(as("ann"), h, order.PlaceOrder{OrderID: "o1", Total: yen(780)}, "key-1"); err != nil {
		t.Fatal(err)
	}
	pay := func(name, owner, id string) error {
		_, err := command.Execute(as(name), h, order.Rules, command.Request[order.Command]{ID: id, Command: order.PayOrder{Method: order.MethodCash}, Owner: owner})
		return err
	}
	notFound := &order.Error{Code: order.CodeNotFound}
	if err, nothing := pay("bob", "bob", "o1"), pay("bob", "bob", "o2"); !errors.Is(err, notFound) || !errors.Is(nothing, notFound) {
		t.Errorf("another's order: %v; one that is not there: %v", err, nothing)
	}
	_, err := command.Execute(as("bob"), h, order.Rules, command.Request[order.Command]{Command: order.PlaceOrder{OrderID: "o1", Total: yen(1)}, Owner: "bob"})
	if !errors.Is(err, &order.Error{Code: order.CodeAlreadyExists}) {
		t.Errorf("placing it again: %v", err)
	}
	ownerless := order.Rules
	ownerless.Owner = nil
	_, err = command.Execute(as("ann"), h, ownerless, command.Request[order.Command]{ID: "o1", Command: order.PayOrder{Method: order.MethodCash}, Owner: "ann"})
	if !errors.Is(err, notFound) {
		t.Errorf("an aggregate without owners: %v", err)
	}
	if n := len(history(t, s, "o1")); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
	if err := pay("ann", "ann", "o1"); err != nil {
		t.Errorf("one's own: %v", err)
	}
}

func TestACommandOnAStreamThatCannotBeFoldedIsRefused(t *testing.T) {
	t.Parallel()
	s := memory.NewEvents()
	for i := range uint64(2) {
		e, err := event.New(order.Placed{OrderID: "o1", Total: 780})
		if err != nil {
			t.Fatal(err)
		}
		e.ID, e.Stream, e.CommandID, e.CommandHash = fmt.Sprint("e", i), "order-o1", "key-1", "other"
		if err := s.Append(t.Context(), "order-o1", i, []event.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := change(t.Context(), handler(s), "o1", order.PayOrder{Method: order.MethodCard}, "")
	var refusal fault.DomainError
	if !errors.As(err, &refusal) || refusal.DomainCode() != command.CodeUnfoldable {
		t.Errorf("got %v, want a refusal with %s", err, command.CodeUnfoldable)
	}
	if n := len(history(t, s, "o1")); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
}

// A command that asks for what is done already appends nothing, and is no failure.
func TestACommandThatHasNothingToDoAppendsNothing(t *testing.T) {
	t.Parallel()
	h := handler(memory.NewEvents())
	set := func(price int64) (command.Result[menu.Product], error) {
		c := menu.SetProduct{ProductID: "p1", Details: menu.Details{NameJa: "カレー", Price: price, Offered: true}}
		return command.Execute(t.Context(), h, menu.ProductRules, command.Request[menu.ProductCommand]{ID: "p1", Command: c})
	}
	for i, c := range []struct {
		price   int64
		version uint64
		events  int
	}{{420, 1, 1}, {420, 1, 0}, {450, 2, 1}, {450, 2, 0}} {
		r, err := set(c.price)
		if err != nil || r.Version != c.version || len(r.Events) != c.events || r.State.Price != c.price || r.Repeated {
			t.Errorf("command %d: %+v, %v", i+1, r, err)
		}
	}
	p, version, err := command.Load(t.Context(), h, menu.ProductRules, "p1")
	if err != nil || version != 2 || p.Price != 450 {
		t.Errorf("loaded %+v at %d, %v", p, version, err)
	}
	if p, version, err := command.Load(t.Context(), h, menu.ProductRules, "p2"); err != nil || version != 0 || p.Exists() {
		t.Errorf("loaded %+v at %d, %v", p, version, err)
	}
}
