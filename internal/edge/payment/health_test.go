package payment_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"gakushoku/internal/edge/payment"
	"gakushoku/internal/operate/health"
)

func TestHealthSaysWhatIsWrongWithTheProvider(t *testing.T) {
	t.Parallel()
	for detail, handle := range map[string]http.HandlerFunc{
		"it answers, and takes our secret":                                                                func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"key":"health-probe"}`)) }, //nolint:errcheck // the test
		"the payment provider cannot be used: it answered 401: check the provider's secret":               func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) },
		"the payment provider cannot be used: it answered 503":                                            func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
		"the payment provider cannot be used: it answered 404 without a code: is it the payment provider": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) },
		"the payment provider does not answer":                                                            nil,
	} {
		t.Run(detail, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(handle)
			defer server.Close()
			if handle == nil {
				server.Close()
			}
			card, err := payment.NewCard(server.URL, "")
			if err != nil {
				t.Fatal(err)
			}
			defer card.Close()
			checker := health.Checker{Probes: []health.Probe{payment.Health(card)}, Timeout: time.Minute, Now: time.Now}
			r := checker.Check(t.Context())
			want := health.OK
			if detail != "it answers, and takes our secret" {
				want = health.Failing
			}
			if p := r.Parts[0]; r.Status != health.OK || p.Status != want || p.Detail != detail {
				t.Errorf("%+v", r)
			}
		})
	}
}
