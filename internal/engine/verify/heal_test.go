package verify_test

import (
	"context"
	"testing"
	"time"

	"gakushoku/internal/canteen/order"
)

// A row that live delivery brings in late, while a verification looks whether totals count it, may
// still lack what its stream had before.
func TestARowThatComesUpBehindWhileItIsMissingIsHealed(t *testing.T) {
	t.Parallel()
	for late := range 3 {
		w := newWorld(t)
		events := w.Append("o1", order.Placed{OrderID: "o1", Total: 780}, order.Paid{OrderID: "o1", PaidAt: start, Method: order.MethodCash})
		v, waits := w.verifier(true), 0
		v.Sleep = func(context.Context, time.Duration) error {
			if waits++; waits == late {
				w.project(events[:1])
			}
			return nil
		}
		left, err := v.Heal(t.Context(), orders, table, []string{"order-o1"})
		rows, read := w.Tables.Records(t.Context(), table, []string{"order-o1"})
		if err != nil || read != nil || left.Missing != 0 || rows["order-o1"].Version != 2 {
			t.Errorf("brought in at wait %d: %d missing, the row is at version %d, %v, %v", late, left.Missing, rows["order-o1"].Version, err, read)
		}
	}
}

// To be set aside anew is an attempt: a repair makes one.
func TestAStreamThatIsSetAsideIsTriedOnceByAHeal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Append("bad", order.Placed{OrderID: "bad", Total: 100}, order.Placed{OrderID: "bad", Total: 200})
	if _, err := w.verifier(true).Heal(t.Context(), orders, table, []string{"order-bad"}); err != nil {
		t.Fatal(err)
	}
	rows, err := w.Tables.Records(t.Context(), table, []string{"order-bad"})
	if parked := rows["order-bad"].Parked; err != nil || parked == nil || parked.Attempts != 1 {
		t.Errorf("%+v, %v", parked, err)
	}
}
