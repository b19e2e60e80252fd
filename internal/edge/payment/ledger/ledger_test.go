package ledger_test

import (
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/edge/payment"
	"gakushoku/internal/edge/payment/ledger"
	"gakushoku/internal/edge/payment/paymenttest"
)

func open(testing.TB) paymenttest.Opened {
	var reason atomic.Value
	reason.Store("")
	l := &ledger.Ledger{Book: &ledger.Memory{}, Declines: func(string, int64) string { return reason.Load().(string) }}
	return paymenttest.Opened{Provider: l, Decline: func(r string) { reason.Store(r) }}
}

func TestMemoryKeepsTheContract(t *testing.T) {
	t.Parallel()
	paymenttest.Run(t, open)
}

func TestDecoratorsKeepTheContract(t *testing.T) {
	t.Parallel()
	paymenttest.Run(t, func(t testing.TB) paymenttest.Opened {
		o := open(t)
		o.Provider = payment.Settled(payment.Observed(o.Provider))
		return o
	})
}

func TestSumsAddUp(t *testing.T) {
	t.Parallel()
	l := ledger.Ledger{Book: &ledger.Memory{}, Declines: func(key string, _ int64) string {
		if key == "declined" {
			return "stolen"
		}
		return ""
	}}
	ctx := t.Context()
	for key, yen := range map[string]int64{"a": 500, "b": 300, "declined": 900} {
		if _, err := l.Capture(ctx, key, yen); (err != nil) != (key == "declined") {
			t.Fatal(key, err)
		}
	}
	if _, err := l.Refund(ctx, "a", "r1", 200); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Void(ctx, "mark"); err != nil {
		t.Fatal(err)
	}
	got, err := ledger.SumsOf(ctx, l.Book)
	want := ledger.Sums{Captured: 800, Refunded: 200, Payments: map[payment.Status]int{payment.StatusCaptured: 2, payment.StatusDeclined: 1, payment.StatusVoided: 1}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
