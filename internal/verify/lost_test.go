package verify_test

import (
	"fmt"
	"testing"

	"gakushoku/internal/event"
	"gakushoku/internal/projection"
	"gakushoku/internal/readmodel"
	"gakushoku/internal/verify"
)

// unprojected makes this many paid orders that the read model has not.
func (w *world) unprojected(n int) {
	w.t.Helper()
	for i := range n {
		id := fmt.Sprintf("o%04d", i)
		w.append(id, event.OrderPlaced{OrderID: id, Total: 780}, event.OrderPaid{OrderID: id, PaidAt: start, Method: event.MethodCash})
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
			w.edit("order-a7", erase)
			w.edit("order-a5", erase)
		}, missing: 2, counted: 2},
		"removed, and others not brought in": {do: func(w *world) {
			w.edit("order-a7", erase)
			w.unprojected(3)
		}, missing: 4, counted: 4, totals: true},
		"not brought in, and the total of another day is wrong": {do: func(w *world) {
			w.unprojected(3)
			w.edit("order-a5", func(c *projection.Change) {
				c.Totals = []readmodel.Contribution{{Key: "1999-12-31", Field: "paid", Amount: 1}}
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
				before, err := w.tables.Totals(t.Context(), table)
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
				after, err := w.tables.Totals(t.Context(), table)
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
