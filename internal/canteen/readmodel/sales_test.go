package readmodel_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/canteen/readmodel"
)

func TestSalesShowEveryMethodThatHasMoneyAndTheUsualTwo(t *testing.T) {
	t.Parallel()
	got := readmodel.SalesOf("2026-01-24", map[string]int64{"orders": 1, "paid": 1, "revenue.UNKNOWN": 780, "refunds.MEAL": 0})
	want := readmodel.Sales{
		Day: "2026-01-24", Orders: 1, Paid: 1, Revenue: map[string]int64{"CARD": 0, "CASH": 0, "UNKNOWN": 780}, Refunds: map[string]int64{"CARD": 0, "CASH": 0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
