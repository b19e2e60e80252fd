package httpapi

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"gakushoku/internal/observe"
)

// FuzzRequests sends anything: whatever comes in, nothing but a refusal or an answer goes
// out, and never without a correlation id.
func FuzzRequests(f *testing.F) {
	f.Add("POST", "/orders", "", "k", "c-1", `{"orderId":"o1","total":780}`)
	f.Add("POST", "/orders", "", "", "\n", `{"lines":[{"product":"x","quantity":1e3,"unitPrice":-0}]}`)
	f.Add("POST", "/orders/%E6%B3%A8/pay", "", "k", "", `{"paymentMethod":"CARD"}`)
	f.Add("GET", "/orders", "cursor=eyJkIjoiMjAyNi0wMS0yNCIsInMiOiJ4In0&limit=5&status=PAID", "", "", "")
	f.Add("GET", "/orders/o1", "minVersion=1", "", "", "")
	f.Add("GET", "/sales/2026-01-24", "", "", "", "")
	f.Add("HEAD", "/orders/../x", "%", "", "", "")
	f.Add("GET", "/orders/o1/events", "", "", "", "")
	c := newCanteen(f)
	f.Fuzz(func(t *testing.T, method, path, rawQuery, key, correlation, body string) {
		u := &url.URL{Path: path, RawPath: path, RawQuery: rawQuery}
		if decoded, err := url.PathUnescape(path); err == nil {
			u.Path = decoded
		}
		r := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(body))
		r.Method, r.URL = method, u
		r.Header = http.Header{"Content-Type": {"application/json"}, "X-Correlation-Id": {correlation}, "Idempotency-Key": {key}}
		w := httptest.NewRecorder()
		c.handler.ServeHTTP(w, r)
		if id := w.Header().Get("x-correlation-id"); !observe.ValidCorrelationID(id) {
			t.Errorf("x-correlation-id %q", id)
		}
		if w.Code >= 500 {
			t.Errorf("%d: %s", w.Code, w.Body)
		}
	})
}
