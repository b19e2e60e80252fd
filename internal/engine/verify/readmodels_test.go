package verify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/event"
	"gakushoku/internal/model"
	"gakushoku/internal/rehearse/inmemory"
	"gakushoku/internal/store/memory"
)

// canteen is an installation in memory: two versions that are live, one that is not.
type canteen struct {
	*inmemory.System
	*verify.ReadModels
}

func newCanteen(t *testing.T) *canteen {
	t.Helper()
	s := inmemory.New(t)
	p := s.Pointer(orders.Name)
	p.Next, p.Versions = 5, []projection.Version{
		{Number: 1, Revision: orders.Revision, State: projection.Previous},
		{Number: 2, Revision: orders.Revision, State: projection.Active},
		{Number: 3, Revision: orders.Revision, State: projection.Building},
	}
	for _, v := range p.Versions[1:] {
		s.Must(s.Tables.Create(t.Context(), p.Table(v)))
	}
	s.Must(s.Control.SetPointer(t.Context(), p))
	return &canteen{s, &verify.ReadModels{
		Verifier:    verify.Verifier{Tables: s.Tables, Streams: s.Events, Projector: s.Projector(), LagBound: time.Millisecond, Now: time.Now},
		Projections: []model.Projection{orders}, Pointers: s.Control,
	}}
}

// order appends events of an order, and projects them when asked to.
func (c *canteen) order(id string, project bool, payloads ...event.Payload) {
	c.TB.Helper()
	events := c.Append(id, payloads...)
	if project {
		c.Must(c.ReadModels.Projector.Apply(c.TB.Context(), events).Err())
	}
}

func (c *canteen) damage(version int, stream string, change func(*projection.Record)) {
	c.TB.Helper()
	c.Edit(projection.Table{Projection: orders.Name, Version: version}, stream, func(row *projection.Change) { change(&row.Record) })
}

func placed(id string) event.Payload { return order.Placed{OrderID: id, Total: 780} }

func TestVerifyLooksAtTheVersionAskedFor(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	c.order("o1", true, placed("o1"))
	c.damage(1, "order-o1", func(r *projection.Record) { r.Data = bytes.Replace(r.Data, []byte("780"), []byte("1"), 1) })
	for number, sound := range map[int]bool{0: true, 1: false, 2: true} {
		v, err := c.Verify(t.Context(), "orders", number, verify.Options{})
		if err != nil || v.Sound != sound || v.Rows != 1 || number > 0 && v.Version.Number != number {
			t.Errorf("version %d: %+v, %v", number, v, err)
		}
	}
	v, err := c.Verify(t.Context(), "orders", 0, verify.Options{})
	encoded, err2 := json.Marshal(v)
	if err != nil || err2 != nil || !bytes.Contains(encoded, []byte(`"sound":true`)) || !bytes.Contains(encoded, []byte(`"table":"orders-v2"`)) {
		t.Errorf("%s, %v, %v", encoded, err, err2)
	}
}

func TestWhatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	c.order("o1", true, placed("o1"))
	unknown := c.Heal(t.Context(), "orders", []string{"nobody"}, func(verify.Healed) error { return nil })
	_, building := c.Verify(t.Context(), "orders", 3, verify.Options{})
	_, absent := c.Verify(t.Context(), "orders", 9, verify.Options{})
	_, meals := c.Verify(t.Context(), "meals", 0, verify.Options{})
	_, explain := c.Explain(t.Context(), "meals", "o1")
	parked := c.EachParked(t.Context(), "meals", func(verify.ParkedRow) error { return nil })
	c.Projections[0].Revision = 99
	_, revision := c.Verify(t.Context(), "orders", 0, verify.Options{})
	for what, err := range map[string]error{
		"an unknown stream": unknown, "a version that is not live": building, "a version that is not there": absent, "verifying an unknown projection": meals,
		"explaining one": explain, "listing one": parked, "a revision that is not in this program": revision,
	} {
		if !errors.Is(err, verify.ErrRefused) {
			t.Errorf("%s: %v", what, err)
		}
	}
	c.Pointers = memory.NewControl()
	if _, err := c.Verify(t.Context(), "orders", 0, verify.Options{}); !errors.Is(err, verify.ErrRefused) {
		t.Errorf("a projection that was never set up: %v", err)
	}
}

func (c *canteen) healed(f func(func(verify.Healed) error) error) []string {
	c.TB.Helper()
	var all []string
	err := f(func(h verify.Healed) error {
		all = append(all, fmt.Sprintf("%s %s changed=%t %d-%d parked=%t", h.Table, h.Stream, h.Changed, h.From, h.To, h.Parked != nil))
		return nil
	})
	if err != nil {
		c.TB.Fatal(err)
	}
	return all
}

func TestHealMendsEveryLiveVersion(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	c.order("o1", true, placed("o1"))
	c.order("o2", true, placed("o2"))
	c.order("o3", false, placed("o3"))
	c.damage(2, "order-o1", func(r *projection.Record) { r.Data = []byte(`{"orderId":"x"}`) })
	got := c.healed(func(f func(verify.Healed) error) error {
		return c.Heal(t.Context(), "orders", []string{"o1", "order-o2", "o3", "order-o1"}, f)
	})
	want := []string{
		"orders-v1 order-o1 changed=false 1-1 parked=false", "orders-v1 order-o2 changed=false 1-1 parked=false", "orders-v1 order-o3 changed=true 0-1 parked=false",
		"orders-v2 order-o1 changed=true 1-1 parked=false", "orders-v2 order-o2 changed=false 1-1 parked=false", "orders-v2 order-o3 changed=true 0-1 parked=false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	for _, number := range []int{1, 2} {
		if v, err := c.Verify(t.Context(), "orders", number, verify.Options{}); err != nil || v.Found() != 0 {
			t.Errorf("version %d afterwards: %+v, %v", number, v, err)
		}
	}
	if rows, _, err := c.System.Tables.Scan(t.Context(), projection.Table{Projection: "orders", Version: 3}, eventstore.All, "", 10); err != nil || len(rows) != 0 {
		t.Errorf("a version that is not live was written: %v, %v", rows, err)
	}
}

func TestParkedStreamsAreListedAndTriedAgain(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	c.order("o1", true, placed("o1"))
	c.order("bad", true, placed("bad"), placed("bad"))
	c.order("fine", true, placed("fine"), order.Ready{OrderID: "fine"})
	c.damage(2, "order-fine", func(r *projection.Record) {
		r.Version, r.Parked = 1, &projection.Parked{EventID: "order-fine@2", EventVersion: 2, Reason: "the code did not know it", Attempts: 1}
	})
	var listed []string
	err := c.EachParked(t.Context(), "orders", func(r verify.ParkedRow) error {
		listed = append(listed, fmt.Sprintf("%s %s at %d: %s", r.Table, r.Stream, r.EventVersion, r.Reason))
		return nil
	})
	want := []string{
		"orders-v1 order-bad at 2: order bad was placed before",
		"orders-v2 order-bad at 2: order bad was placed before", "orders-v2 order-fine at 2: the code did not know it",
	}
	if err != nil || !slices.Equal(listed, want) {
		t.Errorf("listed %q, %v", listed, err)
	}
	got := c.healed(func(f func(verify.Healed) error) error { return c.HealParked(t.Context(), "orders", f) })
	want = []string{
		"orders-v1 order-bad changed=false 1-1 parked=true",
		"orders-v2 order-bad changed=false 1-1 parked=true", "orders-v2 order-fine changed=true 1-2 parked=false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("healed %q", got)
	}
	enough := errors.New("enough")
	for what, err := range map[string]error{
		"a list":  c.EachParked(t.Context(), "orders", func(verify.ParkedRow) error { return enough }),
		"healing": c.HealParked(t.Context(), "orders", func(verify.Healed) error { return enough }),
	} {
		if !errors.Is(err, enough) {
			t.Errorf("%s goes on after its reader has stopped: %v", what, err)
		}
	}
}

func TestExplainTakesAnOrdersID(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	c.order("o1", true, placed("o1"))
	e, err := c.Explain(t.Context(), "orders", "o1")
	if err != nil || e.Stream != "order-o1" || len(e.Versions) != 3 || e.Versions[2].Row != nil || e.Versions[1].Row == nil {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestRowsThatHoldLostEventsAreLeftAlone(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	c.order("o1", true, placed("o1"))
	c.damage(2, "order-o1", func(r *projection.Record) { r.Version = 2 })
	ahead := map[string]bool{}
	err := c.Heal(t.Context(), "orders", []string{"o1"}, func(h verify.Healed) error {
		ahead[h.Table] = h.Ahead
		if h.Changed {
			t.Errorf("%+v", h)
		}
		return nil
	})
	if err != nil || !ahead["orders-v2"] || ahead["orders-v1"] {
		t.Errorf("%v, %v", ahead, err)
	}
	if _, err := c.StreamNames(t.Context(), "orders", []string{"o1"}); !errors.Is(err, verify.ErrRefused) {
		t.Errorf("naming it for a rebuild: %v", err)
	}
	v, err := c.Verify(t.Context(), "orders", 0, verify.Options{Fix: true})
	if err != nil || v.Sound || v.Mended() != 0 || v.Counts[verify.Ahead] != 1 {
		t.Errorf("%+v, %v", v, err)
	}
}

// What a removed row had added to totals is there still: healing would add it once more.
func TestRowsThatTotalsCountStillAreNotHealed(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	c.order("o1", true, placed("o1"))
	c.order("o2", false, placed("o2")) // which no total has
	c.damage(2, "order-o1", func(r *projection.Record) { *r = projection.Record{Stream: r.Stream, Writes: r.Writes} })
	missing := map[string]bool{}
	err := c.Heal(t.Context(), "orders", []string{"o1"}, func(h verify.Healed) error {
		missing[h.Table] = h.Missing
		return nil
	})
	if err != nil || !missing["orders-v2"] || missing["orders-v1"] {
		t.Errorf("%v, %v", missing, err)
	}
	v, err := c.Verify(t.Context(), "orders", 2, verify.Options{})
	if err != nil || v.Counted != 2 || len(v.Totals) != 0 && v.Totals[0].Stored > v.Totals[0].Folded {
		t.Errorf("%+v, %v", v, err)
	}
	if streams, err := c.StreamNames(t.Context(), "orders", []string{"o1"}); err != nil || !slices.Equal(streams, []string{"order-o1"}) {
		t.Errorf("naming it for a rebuild: %q, %v", streams, err)
	}
}

func TestNothingIsHealedFromAStoreThatIsInDoubt(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	c.order("o1", false, placed("o1"))
	doubt := errors.New("another store")
	c.Check = func(context.Context) error { return doubt }
	none := func(verify.Healed) error { return nil }
	_, fixing := c.Verify(t.Context(), "orders", 0, verify.Options{Fix: true})
	for what, err := range map[string]error{
		"heal": c.Heal(t.Context(), "orders", []string{"o1"}, none), "heal parked": c.HealParked(t.Context(), "orders", none), "fix": fixing,
	} {
		if !errors.Is(err, doubt) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if v, err := c.Verify(t.Context(), "orders", 0, verify.Options{}); err != nil || v.Counts[verify.Missing] != 1 {
		t.Errorf("looking: %+v, %v", v, err)
	}
}
