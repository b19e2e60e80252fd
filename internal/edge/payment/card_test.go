package payment_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/edge/payment"
	"gakushoku/internal/edge/payment/ledger"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
	"gakushoku/internal/observe/observetest"
)

// answering returns a client of a provider that answers every call with h.
func answering(t *testing.T, h http.HandlerFunc) *payment.Card {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c, err := payment.NewCard(server.URL+"/v1/", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestAnswersThatDoNotSayWhatHappenedLeaveTheOutcomeUnknown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		header string
		body   string
		want   error
		class  fault.Class
	}{
		"no JSON":              {200, "", "<html>", payment.ErrUnknownOutcome, fault.Infra},
		"another payment":      {200, "", `{"key":"p2","status":"CAPTURED","yen":780}`, payment.ErrUnknownOutcome, fault.Infra},
		"too long":             {200, "", strings.Repeat(" ", 1<<17), payment.ErrUnknownOutcome, fault.Infra},
		"an error":             {500, "", "", payment.ErrUnknownOutcome, fault.Infra},
		"a gateway's error":    {502, "", "", payment.ErrUnknownOutcome, fault.Infra},
		"a gateway's timeout":  {504, "", "", payment.ErrUnknownOutcome, fault.Infra},
		"a redirect":           {302, "", "", payment.ErrUnknownOutcome, fault.Infra},
		"no such path":         {404, "", "404 page not found", payment.ErrUnknownOutcome, fault.Infra},
		"maintenance":          {503, "7", "", payment.ErrUnavailable, fault.Infra},
		"too many calls":       {429, "", "", payment.ErrUnavailable, fault.Infra},
		"a wrong secret":       {401, "", "", payment.ErrUnavailable, fault.Infra},
		"a decline":            {402, "", `{"code":"payment/declined","reason":"stolen"}`, &payment.Error{Code: payment.CodeDeclined}, fault.Domain},
		"a refusal we did not": {409, "", `{"code":"payment/new","detail":"x"}`, &payment.Error{Code: "payment/new"}, fault.Domain},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := answering(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.Header().Set("Retry-After", c.header)
				w.WriteHeader(c.status)
				w.Write([]byte(c.body)) //nolint:errcheck // the client may stop reading
			})
			_, err := client.Capture(t.Context(), "p1", 780)
			if !errors.Is(err, c.want) || fault.ClassOf(err) != c.class {
				t.Errorf("got %v (%s), want %v (%s)", err, fault.ClassOf(err), c.want, c.class)
			}
			if c.header != "" && fault.RetryAfter(err) != 7*time.Second {
				t.Errorf("try again after %s", fault.RetryAfter(err))
			}
			if _, err := client.Lookup(t.Context(), "p1"); errors.Is(err, payment.ErrUnknownOutcome) {
				t.Errorf("a look-up has no outcome: %v", err)
			}
		})
	}
}

func TestACallThatNeverArrivedIsUnavailable(t *testing.T) {
	t.Parallel()
	c, err := payment.NewCard("http://127.0.0.1:1", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Capture(t.Context(), "p1", 780); !errors.Is(err, payment.ErrUnavailable) || errors.Is(err, payment.ErrUnknownOutcome) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

func TestTheReasonOfADeclineIsACode(t *testing.T) {
	t.Parallel()
	c := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusPaymentRequired)
		w.Write([]byte(`{"code":"payment/declined","reason":"Mr Tanaka has no money"}`)) //nolint:errcheck // a test's
	})
	_, err := c.Capture(t.Context(), "p1", 780)
	var refused *payment.Error
	if !errors.As(err, &refused) || refused.Reason != "unspecified" {
		t.Errorf("%+v", refused)
	}
}

func TestCallsAreSafeToRepeatAndKeepThePath(t *testing.T) {
	t.Parallel()
	var got []string
	c := answering(t, func(_ http.ResponseWriter, r *http.Request) {
		got = append(got, r.Method+" "+r.URL.Path+" "+r.Header.Get("Idempotency-Key"))
	})
	ctx := t.Context()
	c.Authorise(ctx, "p1", 1)    //nolint:errcheck // the answer is empty
	c.Capture(ctx, "p1", 1)      //nolint:errcheck // as above
	c.Refund(ctx, "p1", "r1", 1) //nolint:errcheck // as above
	c.Void(ctx, "p1")            //nolint:errcheck // as above
	c.Lookup(ctx, "p1")          //nolint:errcheck // as above
	want := "POST /v1/payments/p1/authorise p1-authorise, POST /v1/payments/p1/capture p1-capture, POST /v1/payments/p1/refunds/r1 r1, POST /v1/payments/p1/void p1-void, GET /v1/payments/p1 "
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

func TestAnAddressThatCannotBeMeantIsRefused(t *testing.T) {
	t.Parallel()
	for address, secret := range map[string]string{
		"": "", "pay.example.com": "", "ftp://pay.example.com": "", "https://": "", "https://u:p@pay.example.com": "", "https://pay.example.com?x=1": "",
		"http://pay.example.com": "s3cret",
	} {
		if _, err := payment.NewCard(address, secret); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", address, err)
		}
	}
	for address, secret := range map[string]string{"https://pay.example.com/v1": "s3cret", "http://127.0.0.1:8090": "s3cret", "http://localhost:8090": "s3cret", "http://pay.test": ""} {
		if _, err := payment.NewCard(address, secret); err != nil {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// forgetful is a provider whose answers are lost, and which may not have got the calls either.
type forgetful struct {
	payment.Provider
	arrive bool
	lookup error
}

func (f forgetful) Capture(ctx context.Context, key string, yen int64) (payment.Receipt, error) {
	if f.arrive {
		if _, err := f.Provider.Capture(ctx, key, yen); err != nil {
			return payment.Receipt{}, err
		}
	}
	return payment.Receipt{}, payment.Unknown(errors.New("the cable broke"))
}

func (f forgetful) Lookup(ctx context.Context, key string) (payment.Receipt, error) {
	if f.lookup != nil {
		return payment.Receipt{}, f.lookup
	}
	return f.Provider.Lookup(ctx, key)
}

func TestALostAnswerIsNeverGuessed(t *testing.T) {
	t.Parallel()
	book := &ledger.Ledger{Book: &ledger.Memory{}}
	if _, err := book.Void(t.Context(), "voided"); err != nil {
		t.Fatal(err)
	}
	down := payment.Unavailable(errors.New("still no cable"), 0)
	for key, c := range map[string]struct {
		provider forgetful
		want     error
	}{
		"arrived":     {forgetful{Provider: book, arrive: true}, nil},
		"not-arrived": {forgetful{Provider: book}, payment.ErrUnavailable},
		"voided":      {forgetful{Provider: book}, &payment.Error{Code: payment.CodeVoided}},
		"nobody-says": {forgetful{Provider: book, arrive: true, lookup: down}, payment.ErrUnknownOutcome},
	} {
		_, err := payment.Settled(c.provider).Capture(t.Context(), key, 780)
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: got %v, want %v", key, err, c.want)
		}
	}
}

func TestCallsAreMeasuredAndLoggedWithoutPersonalData(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	metrics, scrape := observetest.Metrics(t)
	ctx := observe.WithMetrics(observe.WithLogger(t.Context(), observe.NewLogger(&log, zerolog.InfoLevel, "test")), metrics)
	p := payment.Observed(&ledger.Ledger{Book: &ledger.Memory{}, Declines: func(key string, _ int64) string { return strings.TrimPrefix(key, "p") }})
	if _, err := p.Capture(ctx, "p", 780); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Capture(ctx, "p-stolen", 780); err == nil {
		t.Fatal("it was not declined")
	}
	for _, want := range []string{`"call":"capture","paymentId":"p","status":"CAPTURED"`, `"result":"OK"`, `"code":"payment/declined"`, `"message":"payment:failed"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in %s", want, log.String())
		}
	}
	if page := scrape(); !strings.Contains(page, `gakushoku_outside_duration_seconds_count{error_type="domain",gakushoku_call="capture",gakushoku_system="payment"} 1`) {
		t.Errorf("the decline is not counted: %s", page)
	}
}
