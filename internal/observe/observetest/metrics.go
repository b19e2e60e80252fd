package observetest

import (
	"net/http"
	"net/http/httptest"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"gakushoku/internal/observe"
	"gakushoku/internal/observe/telemetry/prom"
)

// Metrics returns the meters of a process, and a function that returns what Prometheus reads of them.
func Metrics(t testing.TB) (*observe.Metrics, func() string) {
	t.Helper()
	exporter, err := prom.New()
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := observe.NewMetrics(sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter)).Meter("test"))
	if err != nil {
		t.Fatal(err)
	}
	return metrics, func() string {
		t.Helper()
		response := httptest.NewRecorder()
		exporter.Handler().ServeHTTP(response, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
		if response.Code != http.StatusOK {
			t.Fatalf("/metrics returned %d: %s", response.Code, response.Body)
		}
		return response.Body.String()
	}
}
