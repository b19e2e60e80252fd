package stock_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gakushoku/internal/canteen/refusal"
	"gakushoku/internal/canteen/stock"
	"gakushoku/internal/event"
)

const id = "2026-11-30-curry"

// after is the state after commands, all of which must be accepted.
func after(t *testing.T, commands ...stock.Command) stock.State {
	t.Helper()
	var s stock.State
	for _, c := range commands {
		s, _ = done(t, s, c)
	}
	return s
}

type failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// done is the state after a command, and the types of the events that it led to.
func done(t failer, s stock.State, c stock.Command) (stock.State, string) {
	t.Helper()
	payloads, err := stock.Decide(s, c)
	if err != nil {
		t.Fatalf("%s: %v", c.CommandName(), err)
	}
	var types []string
	for _, p := range payloads {
		e, err := event.New(p)
		if err != nil {
			t.Fatal(err)
		}
		e.ID, e.Stream = "e1", stock.Stream("2026-11-30", "curry")
		if err := event.Check(&e); err != nil {
			t.Fatalf("%s leads to %s: %v", c.CommandName(), e.Payload, err)
		}
		if s, err = stock.Evolve(s, &e); err != nil {
			t.Fatal(err)
		}
		types = append(types, e.Type)
	}
	return s, strings.Join(types, ",")
}

func set(n int64) stock.Command { return stock.SetPortions{StockID: id, Portions: n} }
func reserve(order string, n int64) stock.Command {
	return stock.Reserve{StockID: id, OrderID: order, Quantity: n}
}
func sell(order string) stock.Command    { return stock.Sell{StockID: id, OrderID: order} }
func release(order string) stock.Command { return stock.Release{StockID: id, OrderID: order} }

func TestEveryCommandInEveryPhase(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before                       []stock.Command
		set, reserve, sell, released string // types of events, or the code of the refusal; "": nothing to do
	}{
		"nothing yet":         {nil, stock.SetType, stock.ReservedType, stock.CodeNotReserved, stock.ReleasedType},
		"as set":              {[]stock.Command{set(5)}, "", stock.ReservedType, stock.CodeNotReserved, stock.ReleasedType},
		"all reserved":        {[]stock.Command{set(3), reserve("other", 3)}, stock.SetType, stock.CodeSoldOut, stock.CodeNotReserved, stock.ReleasedType},
		"unlimited, but sold": {[]stock.Command{reserve("other", 6), sell("other")}, stock.CodeTaken, stock.ReservedType, stock.CodeNotReserved, stock.ReleasedType},
		"reserved":            {[]stock.Command{set(5), reserve("o1", 2)}, "", "", stock.SoldType, stock.ReleasedType},
		"reserved the last":   {[]stock.Command{set(2), reserve("o1", 2)}, stock.SetType, "", stock.SoldType, stock.ReleasedType},
		"sold":                {[]stock.Command{set(5), reserve("o1", 2), sell("o1")}, "", "", "", stock.ReleasedType},
		"released":            {[]stock.Command{set(5), reserve("o1", 2), release("o1")}, "", stock.CodeReleased, stock.CodeNotReserved, ""},
		"sold, then released": {[]stock.Command{set(5), reserve("o1", 2), sell("o1"), release("o1")}, "", stock.CodeReleased, stock.CodeNotReserved, ""},
		"released before all": {[]stock.Command{set(5), release("o1")}, "", stock.CodeReleased, stock.CodeNotReserved, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := after(t, c.before...)
			for want, command := range map[*string]stock.Command{&c.set: set(5), &c.reserve: reserve("o1", 2), &c.sell: sell("o1"), &c.released: release("o1")} {
				payloads, err := stock.Decide(s, command)
				got := ""
				if refused := (*refusal.Error)(nil); errors.As(err, &refused) {
					got = refused.Code
				}
				for _, p := range payloads {
					got += p.EventType()
				}
				if got != *want {
					t.Errorf("%s: got %q, want %q (%v)", command.CommandName(), got, *want, err)
				}
			}
		})
	}
}

func TestReleasingGivesBackWhatAnOrderHolds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before []stock.Command
		free   int64
	}{
		"reserved":         {[]stock.Command{set(5), reserve("o2", 1), reserve("o1", 2), release("o1")}, 4},
		"sold":             {[]stock.Command{set(5), reserve("o2", 1), reserve("o1", 2), sell("o1"), release("o1")}, 4},
		"twice":            {[]stock.Command{set(5), reserve("o1", 2), release("o1"), release("o1")}, 5},
		"nothing":          {[]stock.Command{set(5), release("o1")}, 5},
		"before it is set": {[]stock.Command{reserve("o1", 2), reserve("o2", 1), release("o1"), set(5)}, 4},
	} {
		if s := after(t, c.before...); s.Free() != c.free {
			t.Errorf("%s: %d are free, want %d: %+v", name, s.Free(), c.free, s)
		}
	}
}

func TestWhatComesInIsChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]stock.Command{
		"fewer than none":       set(-1),
		"too many":              set(stock.MaxPortions + 1),
		"no product":            stock.SetPortions{StockID: "2026-11-30-", Portions: 1},
		"no day":                stock.SetPortions{StockID: "curry", Portions: 1},
		"a day that is none":    stock.SetPortions{StockID: "2026-11-31-curry", Portions: 1},
		"a product with slash":  stock.SetPortions{StockID: "2026-11-30-a/b", Portions: 1},
		"a quantity of none":    reserve("o1", 0),
		"a negative quantity":   reserve("o1", -1),
		"too large a quantity":  reserve("o1", stock.MaxQuantity+1),
		"no order":              reserve("", 1),
		"a release of no order": release(""),
	} {
		if _, err := stock.Decide(stock.State{}, c); !errors.Is(err, &refusal.Error{Code: stock.CodeInvalid}) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPortionsAreNeverLostOrBelowZero: whatever commands come, in whatever sequence and however often, the
// portions that are set are those that are free, reserved and sold, and each order holds what it was given.
func TestPortionsAreNeverLostOrBelowZero(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s stock.State
		orders := rapid.IntRange(1, 12).Draw(t, "orders")
		for range rapid.IntRange(0, 60).Draw(t, "commands") {
			order := fmt.Sprintf("o%d", rapid.IntRange(1, orders).Draw(t, "order"))
			c := rapid.SampledFrom([]stock.Command{
				reserve(order, 1), reserve(order, 3), sell(order), release(order), set(rapid.Int64Range(0, 20).Draw(t, "portions")),
			}).Draw(t, "command")
			before, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stock.Decide(s, c); err != nil {
				continue
			}
			next, types := done(t, s, c)
			if again, twice := done(t, next, c); twice != "" || cmp.Diff(flat(next), flat(again)) != "" {
				t.Fatalf("%s came twice, and led to %q again after %q", c.CommandName(), twice, types)
			}
			if now, _ := json.Marshal(s); string(now) != string(before) {
				t.Fatalf("%s changed the state before it:\n%s\n%s", c.CommandName(), before, now)
			}
			s = next
			wantSum(t, s)
			if s, err = reread(s); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func wantSum(t *rapid.T, s stock.State) {
	var reserved, sold int64
	for _, e := range s.Orders.All() {
		switch e.Phase {
		case stock.PhaseReserved:
			reserved += e.Quantity
		case stock.PhaseSold:
			sold += e.Quantity
		}
	}
	if reserved != s.Reserved || sold != s.Sold || s.Limited && (s.Free() < 0 || s.Free()+reserved+sold != s.Portions) {
		t.Fatalf("orders hold %d reserved and %d sold: %+v", reserved, sold, s)
	}
}

// reread is the state written and read again, as a snapshot does.
func reread(s stock.State) (stock.State, error) {
	data, err := stock.Snapshots.Encode(s)
	if err != nil {
		return s, err
	}
	return stock.Snapshots.Decode(data)
}

// TestTheStoredState holds each revision to what it stores: when this fails, the revision has to change.
func TestTheStoredState(t *testing.T) {
	t.Parallel()
	s := after(t, set(9), reserve("o2", 2), reserve("o1", 3), stock.Sell{StockID: id, OrderID: "o1"}, stock.Release{StockID: id, OrderID: "o3"})
	data, err := stock.Snapshots.Encode(s)
	want := `{"stockId":"` + id + `","limited":true,"portions":9,"reserved":2,"sold":3,"orders":null}` + "\nSOLD 3 o1\nRESERVED 2 o2\nRELEASED 0 o3"
	if diff := cmp.Diff(want, string(data)); err != nil || diff != "" || stock.Snapshots.Revision != 1 {
		t.Errorf("revision %d stores %v\n%s", stock.Snapshots.Revision, err, diff)
	}
	for _, wrong := range []string{"", "{}\n", "{}\nSOLD", "{}\nSOLD x o1", "{}\nSOLD 1"} {
		if s, err := stock.Snapshots.Decode([]byte(wrong)); err == nil && wrong != "{}\n" {
			t.Errorf("%q is read as %s", wrong, flat(s))
		}
	}
}

func flat(s stock.State) string {
	data, _ := json.Marshal(s)
	return string(data)
}

func TestEventsThatDoNotFollowAreRefused(t *testing.T) {
	t.Parallel()
	held := after(t, set(5), reserve("o1", 2))
	for name, p := range map[string]event.Payload{
		"fewer than taken": stock.Set{StockID: id, Portions: 1}, "reserved twice": stock.Reserved{StockID: id, OrderID: "o1", Quantity: 2},
		"more than free": stock.Reserved{StockID: id, OrderID: "o2", Quantity: 4}, "sold to another": stock.Sold{StockID: id, OrderID: "o2", Quantity: 2},
		"sold another number": stock.Sold{StockID: id, OrderID: "o1", Quantity: 1}, "released another number": stock.Released{StockID: id, OrderID: "o1", Reserved: 1},
		"released as if sold": stock.Released{StockID: id, OrderID: "o1", Sold: 2}, "released from nobody": stock.Released{StockID: id, OrderID: "o2", Reserved: 1},
	} {
		e, err := event.New(p)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := stock.Evolve(held, &e); err == nil || flat(got) != flat(held) {
			t.Errorf("%s: %v, %s", name, err, flat(got))
		}
	}
}

func BenchmarkFold10000(b *testing.B) {
	events := make([]event.Event, 0, 10_001)
	add := func(p event.Payload) {
		e, err := event.New(p)
		if err != nil {
			b.Fatal(err)
		}
		events = append(events, e)
	}
	add(stock.Set{StockID: id, Portions: 10_000})
	for i := range 5_000 {
		order := fmt.Sprintf("01M8NM8G7DC6NNKACEFFF1%04d", i*7919%10_000)
		add(stock.Reserved{StockID: id, OrderID: order, Quantity: 1})
		add(stock.Sold{StockID: id, OrderID: order, Quantity: 1})
	}
	for b.Loop() {
		var s stock.State
		for i := range events {
			var err error
			if s, err = stock.Evolve(s, &events[i]); err != nil {
				b.Fatal(err)
			}
		}
	}
}
