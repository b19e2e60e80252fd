package propagate_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"gakushoku/internal/observe/telemetry/propagate"
)

const (
	w3c   = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	trace = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"
)

func TestCallersTraceIsTakenFromTheNamedHeaders(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ named, header, value, want string }{
		{"", "traceparent", w3c, w3c},
		{"", "b3", "5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-1", ""},
		{"tracecontext,baggage", "traceparent", w3c, w3c},
		{"b3", "b3", "5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-1", trace},
		{"tracecontext,b3", "b3", "5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-1", trace},
		{"xray", "X-Amzn-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1", trace},
		{"xray", "X-Amzn-Trace-Id", "nonsense", ""},
		{"xray", "traceparent", w3c, ""},
		{"none", "traceparent", w3c, ""},
	} {
		var got string
		h, err := propagate.Handler(test.named, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("traceparent") }))
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/orders", nil)
		r.Header.Set(test.header, test.value)
		h.ServeHTTP(httptest.NewRecorder(), r)
		if got != test.want {
			t.Errorf("%s with %s: the trace is %q, want %q", test.named, test.header, got, test.want)
		}
		if r.Header.Get(test.header) != test.value {
			t.Errorf("%s: the caller's own request was changed", test.named)
		}
	}
}

func TestUnknownPropagatorsAreRejected(t *testing.T) {
	t.Parallel()
	if _, err := propagate.Handler("w3c", http.NotFoundHandler()); err == nil {
		t.Error("w3c was accepted")
	}
}
