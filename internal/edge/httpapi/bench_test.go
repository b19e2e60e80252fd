package httpapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"gakushoku/internal/observe"
	"gakushoku/internal/observe/telemetry"
	"gakushoku/internal/observe/telemetry/otlp"
)

// BenchmarkPlaceOrder is what the entrance costs, logging included, without a network and
// with a store that costs nothing: recorded by nobody, and with each exporter of traces.
func BenchmarkPlaceOrder(b *testing.B) {
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) //nolint:errcheck // it is measured how long sending takes
	}))
	defer collector.Close()
	b.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	for _, exporter := range []string{"none", "console", "otlp"} {
		b.Run(exporter, func(b *testing.B) {
			b.Setenv("OTEL_TRACES_EXPORTER", exporter)
			sent, err := telemetry.Open(b.Context(), telemetry.Options{Getenv: os.Getenv, Out: io.Discard, More: otlp.Spans()})
			if err != nil {
				b.Fatal(err)
			}
			defer sent.Close(context.Background()) //nolint:errcheck // what waits is of no interest
			placeOrders(b, func(c *Config) { c.Tracer = sent.Tracer() })
		})
	}
}

func placeOrders(b *testing.B, change func(*Config)) {
	c := newCanteen(b, func(c *Config) { c.Logger = observe.NewLogger(io.Discard, zerolog.InfoLevel, "bench") }, change)
	var n atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := httptest.NewRequest("POST", "/orders", strings.NewReader(fmt.Sprintf(`{"orderId":"o%d","total":780}`, n.Add(1))))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Idempotency-Key", "k")
			w := httptest.NewRecorder()
			if c.handler.ServeHTTP(w, r); w.Code != 201 {
				b.Fatal(w.Body)
			}
		}
	})
}
