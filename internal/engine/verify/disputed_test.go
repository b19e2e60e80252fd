package verify_test

import (
	"errors"
	"strings"
	"testing"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/engine/verify"
)

// A row that differs is healed by the store's events only when the log does not contradict them.
func TestARowIsNotHealedByEventsThatTheLogContradicts(t *testing.T) {
	t.Parallel()
	const stream, what = "order-o1", "version 1 differs"
	for name, test := range map[string]struct {
		log   verify.Log
		class verify.Class
		fixed bool
	}{
		"the log has the same":       {logged{}, verify.Different, true},
		"the log has something else": {logged{differing: map[string]string{stream: what}}, verify.Disputed, false},
		"the log cannot be read":     {logged{err: errors.New("damaged")}, verify.Different, false},
	} {
		for _, fix := range []bool{false, true} {
			w := newWorld(t)
			w.project(w.Append("o1", order.Placed{OrderID: "o1", Total: 780}))
			rows, err := w.Tables.Records(t.Context(), table, []string{stream})
			if err != nil {
				t.Fatal(err)
			}
			row := rows[stream]
			row.Stream, row.Data = stream, []byte(strings.Replace(string(row.Data), "780", "100", 1))
			if late, err := w.Tables.Write(t.Context(), table, []projection.Change{{Record: row, Expected: row.Writes}}); err != nil || len(late) > 0 {
				t.Fatal(late, err)
			}
			v := w.verifier(true)
			v.Log = test.log
			r := w.verify(v, verify.Options{Fix: fix})
			if r.Counts[test.class] != 1 || len(r.Problems) != 1 || r.Problems[0].Fixed != (fix && test.fixed) {
				t.Errorf("%s, fix %t: %+v", name, fix, r)
			}
			if !test.fixed && r.Problems[0].Reason == "" {
				t.Errorf("%s: it does not say why", name)
			}
			rows, err = w.Tables.Records(t.Context(), table, []string{stream})
			if err != nil || strings.Contains(string(rows[stream].Data), "100") != !(fix && test.fixed) {
				t.Errorf("%s, fix %t: the row is %s: %v", name, fix, rows[stream].Data, err)
			}
		}
	}
}

func TestStaleMissingAndNamedRowsAreNotHealedByContradictedEvents(t *testing.T) {
	t.Parallel()
	for name, projected := range map[string]int{"missing": 0, "stale": 1} {
		w := newWorld(t)
		events := w.Append("o1", order.Placed{OrderID: "o1", Total: 780}, order.Paid{OrderID: "o1", PaidAt: start, Method: order.MethodCash})
		w.project(events[:projected])
		v := w.verifier(true)
		v.Log = logged{differing: map[string]string{"order-o1": "version 2 differs"}}
		r := w.verify(v, verify.Options{Fix: true})
		left, err := v.Heal(t.Context(), orders, table, []string{"order-o1"})
		if err != nil || left.Disputed["order-o1"] == "" || r.Counts[verify.Disputed] != 1 || r.Found() != 1 || r.Sound() || r.Mended() > 0 {
			t.Errorf("%s: %+v, %+v, %v", name, r, left, err)
		}
		rows, err := w.Tables.Records(t.Context(), table, []string{"order-o1"})
		if err != nil || rows["order-o1"].Version != uint64(projected) {
			t.Errorf("%s: the row is at version %d: %v", name, rows["order-o1"].Version, err)
		}
	}
}
