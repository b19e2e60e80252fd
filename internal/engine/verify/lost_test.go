package verify_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/verify"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
	"gakushoku/internal/rehearse/inmemory"
)

// unprojected makes this many paid orders that the read model has not.
func (w *world) unprojected(n int) {
	w.TB.Helper()
	for i := range n {
		id := fmt.Sprintf("o%04d", i)
		w.Append(id, order.Placed{OrderID: id, Total: 780}, order.Paid{OrderID: id, PaidAt: start, Method: order.MethodCash})
	}
}

// Rows that were removed have left their share in totals: healing would count it twice. Rows
// that live delivery has not brought in have none there, and healing brings both.
func TestMissingRowsAreHealedOnlyWhereTotalsDoNotCountThem(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		do             func(*world)
		missing, fixed int
		counted        int
		sound          bool
		totals         bool // some are wrong
	}{
		"not brought in": {do: func(w *world) { w.unprojected(150) }, missing: 150, fixed: 150, sound: true},
		"removed": {do: func(w *world) {
			w.edit("order-a7", inmemory.Erase)
			w.edit("order-a5", inmemory.Erase)
		}, missing: 2, counted: 2},
		"removed, and others not brought in": {do: func(w *world) {
			w.edit("order-a7", inmemory.Erase)
			w.unprojected(3)
		}, missing: 4, counted: 4, totals: true},
		"not brought in, and the total of another day is wrong": {do: func(w *world) {
			w.unprojected(3)
			w.edit("order-a5", func(c *projection.Change) {
				c.Totals = []model.Contribution{{Key: "1999-12-31", Field: "paid", Amount: 1}}
			})
		}, missing: 3, fixed: 3, totals: true},
	} {
		for _, snapshots := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, snapshots %t", name, snapshots), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				for n := range 9 {
					w.order(fmt.Sprintf("a%d", n))
				}
				test.do(w)
				before, err := w.Tables.Totals(t.Context(), table)
				if err != nil {
					t.Fatal(err)
				}
				look := w.verify(w.verifier(snapshots), verify.Options{})
				if look.Counts[verify.Missing] != test.missing || look.Counted != test.counted || (len(look.Totals) > 0) != test.totals {
					t.Errorf("%d missing, %d of them counted, totals %+v", look.Counts[verify.Missing], look.Counted, look.Totals)
				}
				r := w.verify(w.verifier(snapshots), verify.Options{Fix: true})
				if r.Fixed[verify.Missing] != test.fixed || r.Counted != test.counted || r.Sound() != test.sound {
					t.Errorf("fixed %v, %d counted, sound: %t; %+v", r.Fixed, r.Counted, r.Sound(), r.Totals)
				}
				after, err := w.Tables.Totals(t.Context(), table)
				if err != nil || test.fixed == 0 && fmt.Sprint(before) != fmt.Sprint(after) {
					t.Errorf("totals were %v and are %v, %v", before, after, err)
				}
				if again := w.verify(w.verifier(!snapshots), verify.Options{}); again.Sound() != test.sound {
					t.Errorf("afterwards %+v", again)
				}
			})
		}
	}
}

// A sample says nothing of totals, so nothing that is missing is healed by it.
func TestASampleHealsNoMissingRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.unprojected(60)
	r := w.verify(w.verifier(true), verify.Options{Fix: true, Sample: 0.99})
	if r.Counts[verify.Missing] == 0 || len(r.Fixed) > 0 || r.Problems[0].Reason == "" {
		t.Errorf("%+v", r)
	}
}

// logged is a log that has events of these streams, or cannot tell.
type logged struct {
	streams   []string
	differing map[string]string
	err       error
}

func (l logged) Differing(context.Context, eventstore.Loader, []string) (map[string]string, error) {
	return l.differing, l.err
}

func (l logged) Holding(_ context.Context, streams []string) (map[string]bool, error) {
	held := map[string]bool{}
	for _, s := range streams {
		if slices.Contains(l.streams, s) {
			held[s] = true
		}
	}
	return held, l.err
}

// A row of which the event store has no stream is emptied only when the log has none either: else the
// store has lost it, and the row is what is left.
func TestRowsWithoutAStreamAreEmptiedOnlyWhenTheLogHasNoneEither(t *testing.T) {
	t.Parallel()
	const stream = "order-nobody"
	for name, test := range map[string]struct {
		log    verify.Log
		class  verify.Class
		reason string
		fixed  bool
	}{
		"no log":                   {nil, verify.Extra, "", true},
		"the log has none":         {logged{}, verify.Extra, "", true},
		"the log has events of it": {logged{streams: []string{stream}}, verify.Ahead, "does not have all of the stream's events", false},
		"the log cannot tell":      {logged{err: errors.New("it is damaged")}, verify.Extra, "it is damaged", false},
	} {
		for _, snapshots := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, snapshots %t", name, snapshots), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.order("a1")
				w.edit(stream, func(c *projection.Change) { c.Version, c.Data = 1, []byte(`{"orderId":"nobody"}`) })
				v := w.verifier(snapshots)
				v.Log = test.log
				for _, fix := range []bool{false, true} {
					r := w.verify(v, verify.Options{Fix: fix})
					if len(r.Problems) != 1 || r.Problems[0].Class != test.class || r.Problems[0].Fixed != (fix && test.fixed) || !strings.Contains(r.Problems[0].Reason, test.reason) {
						t.Fatalf("fix %t: %+v", fix, r.Problems)
					}
				}
				rows, err := w.Tables.Records(t.Context(), table, []string{stream})
				if got := rows[stream]; err != nil || (got.Version == 0) != test.fixed {
					t.Errorf("%+v, %v", got, err)
				}
			})
		}
	}
}

// A log that may answer later is no reason to say anything of the row.
func TestALogThatDoesNotAnswerEndsTheVerification(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.edit("order-nobody", func(c *projection.Change) { c.Version, c.Data = 1, []byte(`{"orderId":"nobody"}`) })
	v := w.verifier(true)
	v.Log = logged{err: fault.Unavailable(errors.New("busy"))}
	if _, err := v.Table(t.Context(), orders, table, verify.Options{Fix: true}); fault.ClassOf(err) != fault.Infra {
		t.Errorf("got %v", err)
	}
}
