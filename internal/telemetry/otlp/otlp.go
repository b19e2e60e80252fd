// Package otlp sends spans and metrics by OTLP over HTTP, to a collector. It is a package of its
// own since it links gRPC and protocol buffers, which the Lambda functions do not carry.
package otlp

import (
	"context"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"gakushoku/internal/telemetry"
)

// Name is the value of OTEL_TRACES_EXPORTER and of OTEL_METRICS_EXPORTER that this package
// answers to.
const Name = "otlp"

// Spans are the exporters of this package. Where to, and with which headers, the usual
// variables say: OTEL_EXPORTER_OTLP_ENDPOINT and the others.
func Spans() telemetry.SpanExporters {
	return telemetry.SpanExporters{Name: func(ctx context.Context) (sdktrace.SpanExporter, error) { return otlptracehttp.New(ctx) }}
}

// Metrics send every minute, or as often as OTEL_METRIC_EXPORT_INTERVAL says in milliseconds.
func Metrics() telemetry.MetricReaders {
	return telemetry.MetricReaders{Name: func(ctx context.Context) (sdkmetric.Reader, error) {
		exporter, err := otlpmetrichttp.New(ctx)
		if err != nil {
			return nil, err
		}
		return sdkmetric.NewPeriodicReader(exporter), nil
	}}
}
