package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/contrib/instrumentation/runtime"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"gakushoku/internal/canteen"
	"gakushoku/internal/observe"
	"gakushoku/internal/observe/telemetry"
	"gakushoku/internal/observe/telemetry/otlp"
	"gakushoku/internal/observe/telemetry/prom"
	"gakushoku/internal/observe/telemetry/propagate"
	"gakushoku/internal/operate/health"
	"gakushoku/internal/operate/hoststats"
)

// sending is the telemetry of the server.
type sending struct {
	*telemetry.Telemetry
	scraped *prom.Exporter // serves /metrics; nil unless the environment enables it
}

// openTelemetry exports what the environment selects. It also passes failed and slow operations to kept. By
// default, metrics are kept for Prometheus.
func openTelemetry(ctx context.Context, getenv func(string) string, logger zerolog.Logger, console io.Writer, kept sdktrace.SpanExporter) (*sending, error) {
	s := &sending{}
	readers := telemetry.MetricReaders{prom.Name: func(context.Context) (_ sdkmetric.Reader, err error) {
		s.scraped, err = prom.New()
		return s.scraped, err
	}}
	maps.Copy(readers, telemetry.ConsoleMetrics(console))
	maps.Copy(readers, otlp.Metrics())
	var err error
	s.Telemetry, err = telemetry.Open(ctx, telemetry.Options{
		Function: "server", Getenv: getenv, Out: console, Logger: logger, More: otlp.Spans(), Kept: kept, Metrics: readers, MetricsUnsaid: prom.Name,
	})
	if err != nil {
		return s, err
	}
	if err := runtime.Start(runtime.WithMeterProvider(s.MeterProvider())); err != nil {
		return s, errors.Join(fmt.Errorf("measuring the Go runtime: %w", err), s.Close(ctx))
	}
	return s, nil
}

// vitalsLimit bounds how long counting parked streams may delay a reader of the metrics.
const vitalsLimit = time.Second

// watch measures, at each reading of the metrics, what no request measures: the machine's load, and the
// number of parked streams.
func (s *sending) watch(f *Folder) error {
	metrics, machine := s.Metrics(), hoststats.Watch(f.Dir)
	return metrics.Watch(func(ctx context.Context) observe.Vitals {
		ctx, cancel := context.WithTimeout(ctx, vitalsLimit)
		defer cancel()
		for _, name := range canteen.Projections().Names() {
			if n, err := health.CountParked(ctx, f.Control, f.Tables, name); err == nil {
				metrics.Parked(ctx, name, n)
			}
		}
		return machine.Look()
	})
}

// handler adds /metrics to the handler of health. The contract omits it on purpose: only this server has it,
// for the operator's Prometheus; API Gateway never exposes it. guard restricts who may read it.
func (s *sending) handler(next http.Handler, guard func(http.Handler) http.Handler) (http.Handler, error) {
	if s.scraped == nil {
		return next, nil
	}
	metrics := guard(s.scraped.Handler())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" && r.Method == http.MethodGet {
			metrics.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	}), nil
}

// acceptTraces accepts the trace headers that the environment names.
func acceptTraces(next http.Handler) (http.Handler, error) {
	return propagate.Handler(os.Getenv(propagate.Env), next)
}
