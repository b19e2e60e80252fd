// Package paymenttest holds the contract of payment providers. Every adapter runs it.
package paymenttest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gakushoku/internal/edge/payment"
	"gakushoku/internal/fault"
)

// Opened is a provider without payments.
type Opened struct {
	Provider payment.Provider
	Decline  func(reason string) // makes the provider decline new payments for this reason; "" ends that
}

// Run checks that a provider keeps the contract. open is called for each test.
func Run(t *testing.T, open func(t testing.TB) Opened) {
	for name, test := range map[string]func(*testing.T, Opened){
		"a payment is captured once":                        testCaptureOnce,
		"an authorised payment is captured or voided":       testAuthorise,
		"a key is about one amount":                         testOneAmount,
		"a void of an unknown key prevents its capture":     testVoidFirst,
		"a captured payment is not voided":                  testVoidCaptured,
		"of capture and void one wins":                      testCaptureOrVoid,
		"a declined payment stays declined until it closes": testDecline,
		"a refund happens once a key":                       testRefundOnce,
		"no more is refunded than was captured":             testRefundBound,
		"only captured payments are refunded":               testRefundNothing,
		"a payment that was never seen is found empty":      testLookupUnknown,
		"invalid keys and amounts are refused":              testInvalid,
		"a call whose context has ended is not made":        testEnded,
		"any sequence of calls follows the rules":           testAnySequence,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func testCaptureOnce(t *testing.T, o Opened) {
	each(16, func(int) {
		r, err := o.Provider.Capture(t.Context(), "p1", 780)
		if err != nil || r.Captured() != 780 {
			t.Errorf("Capture: %+v, %v", r, err)
		}
	})
	wantReceipt(t, o, payment.Receipt{Key: "p1", Status: payment.StatusCaptured, Yen: 780})
}

func testAuthorise(t *testing.T, o Opened) {
	ctx := t.Context()
	for _, key := range []string{"p1", "p2"} {
		for range 2 {
			if r, err := o.Provider.Authorise(ctx, key, 780); err != nil || r.Status != payment.StatusAuthorised {
				t.Fatalf("Authorise: %+v, %v", r, err)
			}
		}
	}
	if r, err := o.Provider.Capture(ctx, "p1", 780); err != nil || r.Captured() != 780 {
		t.Errorf("Capture: %+v, %v", r, err)
	}
	if r, err := o.Provider.Void(ctx, "p2"); err != nil || r.Status != payment.StatusVoided {
		t.Errorf("Void: %+v, %v", r, err)
	}
}

func testOneAmount(t *testing.T, o Opened) {
	mustCapture(t, o, "p1", 780)
	_, err := o.Provider.Capture(t.Context(), "p1", 781)
	wantRefusal(t, err, payment.CodeKeyReused)
}

func testVoidFirst(t *testing.T, o Opened) {
	for range 2 {
		if r, err := o.Provider.Void(t.Context(), "p1"); err != nil || r.Status != payment.StatusVoided {
			t.Fatalf("Void: %+v, %v", r, err)
		}
	}
	_, err := o.Provider.Capture(t.Context(), "p1", 780)
	wantRefusal(t, err, payment.CodeVoided)
}

func testVoidCaptured(t *testing.T, o Opened) {
	mustCapture(t, o, "p1", 780)
	_, err := o.Provider.Void(t.Context(), "p1")
	wantRefusal(t, err, payment.CodeAlreadyCaptured)
	wantReceipt(t, o, payment.Receipt{Key: "p1", Status: payment.StatusCaptured, Yen: 780})
}

func testCaptureOrVoid(t *testing.T, o Opened) {
	for round := range 20 {
		key := fmt.Sprintf("p%d", round)
		var captured, voided error
		each(2, func(i int) {
			if i == 0 {
				_, captured = o.Provider.Capture(t.Context(), key, 780)
			} else {
				_, voided = o.Provider.Void(t.Context(), key)
			}
		})
		r, err := o.Provider.Lookup(t.Context(), key)
		sound := r.Status == payment.StatusCaptured && captured == nil && payment.Refused(voided, payment.CodeAlreadyCaptured) ||
			r.Status == payment.StatusVoided && voided == nil && payment.Refused(captured, payment.CodeVoided)
		if err != nil || !sound {
			t.Errorf("capture: %v, void: %v, receipt: %+v, %v", captured, voided, r, err)
		}
	}
}

func testDecline(t *testing.T, o Opened) {
	o.Decline("insufficient-funds")
	_, err := o.Provider.Capture(t.Context(), "p1", 780)
	wantRefusal(t, err, payment.CodeDeclined)
	o.Decline("")
	_, err = o.Provider.Capture(t.Context(), "p1", 780)
	wantRefusal(t, err, payment.CodeDeclined)
	wantReceipt(t, o, payment.Receipt{Key: "p1", Status: payment.StatusDeclined, Yen: 780, Reason: "insufficient-funds"})
	if r, err := o.Provider.Void(t.Context(), "p1"); err != nil || r.Status != payment.StatusVoided {
		t.Errorf("Void: %+v, %v", r, err)
	}
	mustCapture(t, o, "p2", 780)
}

func testRefundOnce(t *testing.T, o Opened) {
	mustCapture(t, o, "p1", 780)
	each(16, func(int) {
		if r, err := o.Provider.Refund(t.Context(), "p1", "r1", 300); err != nil || r.Refunds["r1"] != 300 {
			t.Errorf("Refund: %+v, %v", r, err)
		}
	})
	_, err := o.Provider.Refund(t.Context(), "p1", "r1", 301)
	wantRefusal(t, err, payment.CodeKeyReused)
	wantReceipt(t, o, payment.Receipt{Key: "p1", Status: payment.StatusCaptured, Yen: 780, Refunds: map[string]int64{"r1": 300}})
}

func testRefundBound(t *testing.T, o Opened) {
	mustCapture(t, o, "p1", 1000)
	each(16, func(i int) {
		_, err := o.Provider.Refund(t.Context(), "p1", fmt.Sprintf("r%d", i), 300)
		if err != nil && !payment.Refused(err, payment.CodeRefundTooHigh) {
			t.Errorf("Refund: %v", err)
		}
	})
	if r, err := o.Provider.Lookup(t.Context(), "p1"); err != nil || r.Refunded() != 900 || r.Captured() != 1000 {
		t.Errorf("%+v, %v", r, err)
	}
}

func testRefundNothing(t *testing.T, o Opened) {
	_, err := o.Provider.Refund(t.Context(), "p1", "r1", 1)
	wantRefusal(t, err, payment.CodeNotCaptured)
	if _, err := o.Provider.Void(t.Context(), "p2"); err != nil {
		t.Fatal(err)
	}
	_, err = o.Provider.Refund(t.Context(), "p2", "r1", 1)
	wantRefusal(t, err, payment.CodeNotCaptured)
}

func testLookupUnknown(t *testing.T, o Opened) {
	wantReceipt(t, o, payment.Receipt{Key: "p1"})
}

func testInvalid(t *testing.T, o Opened) {
	ctx := t.Context()
	for _, key := range []string{"", ".", "..", "a/b", "a b", "é", "p?x", fmt.Sprintf("%129d", 1)} {
		_, err := o.Provider.Capture(ctx, key, 1)
		wantRefusal(t, err, payment.CodeInvalid)
		_, err = o.Provider.Refund(ctx, "p1", key, 1)
		wantRefusal(t, err, payment.CodeInvalid)
		_, err = o.Provider.Lookup(ctx, key)
		wantRefusal(t, err, payment.CodeInvalid)
	}
	for _, yen := range []int64{-1, 0, payment.MaxYen + 1} {
		_, err := o.Provider.Capture(ctx, "p1", yen)
		wantRefusal(t, err, payment.CodeInvalid)
	}
	wantReceipt(t, o, payment.Receipt{Key: "p1"})
}

func testEnded(t *testing.T, o Opened) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := o.Provider.Capture(ctx, "p1", 780); fault.ClassOf(err) != fault.Infra {
		t.Errorf("got %v, want an infrastructure error", err)
	}
	wantReceipt(t, o, payment.Receipt{Key: "p1"})
}

// testAnySequence compares the provider with the rules of Receipt.
func testAnySequence(t *testing.T, o Opened) {
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		key := fmt.Sprintf("run%d", run)
		model := payment.Receipt{Key: key}
		for range rapid.IntRange(1, 6).Draw(t, "calls") {
			after, wantErr, got, err := step(t, o.Provider, model)
			if wantErr != nil {
				if code := wantErr.(*payment.Error).Code; !payment.Refused(err, code) { //nolint:errcheck,forcetypeassert // the rules only refuse
					t.Fatalf("got %v, want %s", err, code)
				}
				continue
			}
			if diff := cmp.Diff(after, got); err != nil || diff != "" {
				t.Fatalf("%v (-rules +provider):\n%s", err, diff)
			}
			model = after
		}
	})
}

// step makes a random call, of the rules and of the provider.
func step(t *rapid.T, p payment.Provider, before payment.Receipt) (want payment.Receipt, wantErr error, got payment.Receipt, err error) {
	yen := rapid.SampledFrom([]int64{100, 300, 780}).Draw(t, "yen")
	refund := rapid.SampledFrom([]string{"r1", "r2"}).Draw(t, "refund")
	switch rapid.SampledFrom([]string{"authorise", "capture", "void", "refund"}).Draw(t, "call") {
	case "authorise":
		want, wantErr = before.Authorise(yen)
		got, err = p.Authorise(context.Background(), before.Key, yen)
	case "capture":
		want, wantErr = before.Capture(yen)
		got, err = p.Capture(context.Background(), before.Key, yen)
	case "void":
		want, wantErr = before.Void()
		got, err = p.Void(context.Background(), before.Key)
	default:
		want, wantErr = before.Refund(refund, yen)
		got, err = p.Refund(context.Background(), before.Key, refund, yen)
	}
	return want, wantErr, got, err
}

// each runs f n times at once.
func each(n int, f func(i int)) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { f(i) })
	}
	group.Wait()
}

func mustCapture(t *testing.T, o Opened, key string, yen int64) {
	t.Helper()
	if _, err := o.Provider.Capture(t.Context(), key, yen); err != nil {
		t.Fatal(err)
	}
}

func wantRefusal(t *testing.T, err error, code string) {
	t.Helper()
	if !payment.Refused(err, code) || fault.ClassOf(err) != fault.Domain {
		t.Errorf("got %v, want %s", err, code)
	}
}

func wantReceipt(t *testing.T, o Opened, want payment.Receipt) {
	t.Helper()
	got, err := o.Provider.Lookup(t.Context(), want.Key)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Lookup: %v (-want +got):\n%s", err, diff)
	}
}
