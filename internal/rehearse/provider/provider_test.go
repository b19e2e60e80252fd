package provider_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"gakushoku/internal/edge/payment"
	"gakushoku/internal/edge/payment/ledger"
	"gakushoku/internal/edge/payment/paymenttest"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
	"gakushoku/internal/rehearse/provider"
)

// simulator is a running provider, and a client of it.
type simulator struct {
	*payment.Card
	t   testing.TB
	url string
	log *bytes.Buffer
}

func newBook(t testing.TB) *provider.Book {
	t.Helper()
	book, err := provider.OpenBook(t.Context(), t.TempDir(), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { book.Close() })
	return book
}

func simulate(t testing.TB, book ledger.Book) *simulator {
	t.Helper()
	s := &simulator{t: t, log: &bytes.Buffer{}}
	server := httptest.NewServer(provider.New(provider.Options{Book: book, Secret: "s3cret", Logger: zerolog.New(zerolog.SyncWriter(s.log))}))
	t.Cleanup(server.Close)
	s.url = server.URL
	var err error
	if s.Card, err = payment.NewCard(server.URL, "s3cret"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// send sends a request with the provider's secret, and returns the status and the body.
func (s *simulator) send(method, path, body string) (int, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer s3cret")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response.StatusCode, string(raw)
}

func (s *simulator) fault(kind, body string) {
	s.t.Helper()
	if status, text := s.send(http.MethodPut, "/faults/"+kind, body); status != http.StatusOK {
		s.t.Fatalf("setting a fault: %d %s", status, text)
	}
}

func (s *simulator) decline(reason string) {
	s.t.Helper()
	if reason == "" {
		s.send(http.MethodDelete, "/faults", "")
		return
	}
	s.fault(provider.FaultDecline, `{"reason":"`+reason+`"}`)
}

func TestTheBookKeepsTheContract(t *testing.T) {
	t.Parallel()
	paymenttest.Run(t, func(t testing.TB) paymenttest.Opened {
		reason := ""
		l := &ledger.Ledger{Book: newBook(t), Declines: func(string, int64) string { return reason }}
		return paymenttest.Opened{Provider: l, Decline: func(r string) { reason = r }}
	})
}

func TestTheClientAndTheServerKeepTheContract(t *testing.T) {
	t.Parallel()
	paymenttest.Run(t, func(t testing.TB) paymenttest.Opened {
		s := simulate(t, &ledger.Memory{})
		return paymenttest.Opened{Provider: s, Decline: s.decline}
	})
}

func TestALostAnswerIsLookedUp(t *testing.T) {
	t.Parallel()
	s := simulate(t, newBook(t))
	ctx := t.Context()
	s.fault(provider.FaultLost, `{"calls":3}`)
	// net/http sends a call with an Idempotency-Key again on its own when the connection breaks, so the answers to
	// all its tries have to be lost.
	_, err := s.Capture(ctx, "p1", 780)
	if err == nil {
		t.Log("the transport's own repeat was answered")
	} else if !errors.Is(err, payment.ErrUnknownOutcome) || fault.ClassOf(err) != fault.Infra {
		t.Errorf("got %v, want ErrUnknownOutcome", err)
	}
	s.send(http.MethodDelete, "/faults", "")
	s.fault(provider.FaultLost, `{}`)
	settled := payment.Settled(s)
	for name, call := range map[string]func() (payment.Receipt, error){
		"capture":   func() (payment.Receipt, error) { return settled.Capture(ctx, "p2", 780) },
		"void":      func() (payment.Receipt, error) { return settled.Void(ctx, "p3") },
		"refund":    func() (payment.Receipt, error) { return settled.Refund(ctx, "p1", "r1", 780) },
		"again":     func() (payment.Receipt, error) { return settled.Refund(ctx, "p1", "r1", 780) },
		"authorise": func() (payment.Receipt, error) { return settled.Authorise(ctx, "p4", 780) },
	} {
		if r, err := call(); err != nil || r.Status == payment.StatusNone {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	s.fault(provider.FaultDecline, `{"calls":1}`)
	if _, err := settled.Capture(ctx, "p5", 780); !payment.Refused(err, payment.CodeDeclined) {
		t.Errorf("a lost decline: %v", err)
	}
	status, body := s.send(http.MethodGet, "/ledger/sums", "")
	want := `{"captured":1560,"refunded":780,"payments":{"AUTHORISED":1,"CAPTURED":2,"DECLINED":1,"VOIDED":1}}`
	if status != http.StatusOK || strings.TrimSpace(body) != want {
		t.Errorf("sums: %d %s, want %s", status, body, want)
	}
}

func TestADownProviderDoesNothing(t *testing.T) {
	t.Parallel()
	s := simulate(t, newBook(t))
	s.fault(provider.FaultDown, `{"calls":1}`)
	_, err := s.Capture(t.Context(), "p1", 780)
	if !errors.Is(err, payment.ErrUnavailable) || fault.RetryAfter(err) != time.Second {
		t.Errorf("got %v, want ErrUnavailable with a time to wait", err)
	}
	if r, err := s.Lookup(t.Context(), "p1"); err != nil || r.Status != payment.StatusNone {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestASlowCallIsCarriedOutAfterItsCallerHasLeft(t *testing.T) {
	t.Parallel()
	s := simulate(t, &ledger.Memory{})
	s.fault(provider.FaultSlow, `{"calls":1,"delayMs":100}`)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Capture(ctx, "p1", 780); !errors.Is(err, payment.ErrUnknownOutcome) {
		t.Errorf("got %v, want ErrUnknownOutcome", err)
	}
	for r := (payment.Receipt{}); r.Status != payment.StatusCaptured; {
		var err error
		if r, err = s.Lookup(t.Context(), "p1"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFaultsEndAndAreListed(t *testing.T) {
	t.Parallel()
	s := simulate(t, &ledger.Memory{})
	s.fault(provider.FaultDown, `{"forMs":1}`)
	s.fault(provider.FaultDecline, `{"calls":2,"reason":"stolen"}`)
	time.Sleep(5 * time.Millisecond)
	if _, err := s.Capture(t.Context(), "p1", 780); !payment.Refused(err, payment.CodeDeclined) {
		t.Errorf("got %v, want a decline, since the other fault is over", err)
	}
	_, body := s.send(http.MethodGet, "/faults", "")
	var got map[string]provider.Fault
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]provider.Fault{provider.FaultDecline: {Calls: 1, Reason: "stolen"}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBadRequestsAreRefused(t *testing.T) {
	t.Parallel()
	s := simulate(t, &ledger.Memory{})
	for _, c := range []struct{ request, body, want string }{
		{"PUT /faults/fire", `{}`, "choose decline, slow, lost or down"},
		{"PUT /faults/slow", `{}`, "needs delayMs"},
		{"PUT /faults/down", `{"calls":-1}`, "at least 0"},
		{"PUT /faults/down", `{"call":1}`, "unknown field"},
		{"PUT /faults/decline", `{"reason":"a b"}`, "characters of"},
		{"POST /payments/p1/capture", ``, "not as expected"},
		{"POST /payments/p1/capture", `{}`, "AMOUNT"},
		{"POST /payments/p1/capture", `{"yen":1.5}`, "not as expected"},
	} {
		method, path, _ := strings.Cut(c.request, " ")
		if status, body := s.send(method, path, c.body); status != http.StatusBadRequest || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s, want 400 with %q", c.request, c.body, status, body, c.want)
		}
	}
}

func TestTheSecretIsRequired(t *testing.T) {
	t.Parallel()
	s := simulate(t, &ledger.Memory{})
	for _, secret := range []string{"", "wrong"} {
		c, err := payment.NewCard(s.url, secret)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Capture(t.Context(), "p1", 780); !errors.Is(err, payment.ErrUnavailable) || !strings.Contains(err.Error(), "check the provider's secret") {
			t.Errorf("%q: %v", secret, err)
		}
	}
}

func TestCallsCarryTheOperationsIDs(t *testing.T) {
	t.Parallel()
	s := simulate(t, &ledger.Memory{})
	ctx, span := observe.StartRemote(observe.WithCorrelationID(t.Context(), "c-1"), http.Header{}, "test", observe.Server)
	defer span.End()
	if _, err := s.Capture(ctx, "p1", 780); err != nil {
		t.Fatal(err)
	}
	var line struct {
		CorrelationID string `json:"correlationId"`
		TraceID       string `json:"trace_id"`
	}
	if err := json.Unmarshal(s.log.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line.CorrelationID != "c-1" || !strings.Contains(observe.Traceparent(ctx), line.TraceID) || line.TraceID == "" {
		t.Errorf("%+v; want c-1 and the trace of %s", line, observe.Traceparent(ctx))
	}
}

func TestABookThatIsNotThereIsNotRead(t *testing.T) {
	t.Parallel()
	if _, err := provider.OpenBook(t.Context(), t.TempDir(), false); err == nil || !strings.Contains(err.Error(), "payments serve") {
		t.Errorf("got %v, want advice", err)
	}
}
