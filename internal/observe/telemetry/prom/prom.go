// Package prom serves the metrics of a process in Prometheus' text format, together with those of
// the Go runtime and of the process. It is separate from telemetry so that the Lambda functions,
// which nothing scrapes, do not carry Prometheus' client.
package prom

import (
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// Name is the value of OTEL_METRICS_EXPORTER that selects this package.
const Name = "prometheus"

// Exporter is an sdkmetric.Reader that Prometheus scrapes. It is safe for concurrent use.
type Exporter struct {
	sdkmetric.Reader
	registry *prometheus.Registry
}

// New returns an exporter with a registry of its own.
func New() (*Exporter, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	reader, err := otelprom.New(otelprom.WithRegisterer(registry), otelprom.WithoutScopeInfo(), otelprom.WithoutTargetInfo())
	if err != nil {
		return nil, fmt.Errorf("creating the Prometheus exporter: %w", err)
	}
	return &Exporter{reader, registry}, nil
}

// Handler serves the current metrics.
func (e *Exporter) Handler() http.Handler {
	return promhttp.HandlerFor(e.registry, promhttp.HandlerOpts{})
}
