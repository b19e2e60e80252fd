package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"

	"gakushoku/internal/observe"
)

// MetricReaders create readers, by the values of OTEL_METRICS_EXPORTER.
type MetricReaders map[string]func(context.Context) (sdkmetric.Reader, error)

func (t *Telemetry) openMetrics(ctx context.Context, o Options, about *resource.Resource) error {
	named := o.Getenv(envMetricsExporter)
	if named == "" {
		named = o.MetricsUnsaid
	}
	if named == "" || named == "none" {
		return nil
	}
	options := []sdkmetric.Option{sdkmetric.WithResource(about)}
	for name := range strings.SplitSeq(named, ",") {
		reader, err := metricReader(ctx, o, strings.TrimSpace(name))
		if err != nil {
			return errors.Join(err, sdkmetric.NewMeterProvider(options...).Shutdown(ctx))
		}
		if sink, ok := reader.(observe.Lossy); ok {
			t.sinks = append(t.sinks, sink)
		}
		options = append(options, sdkmetric.WithReader(reader))
	}
	t.meters = sdkmetric.NewMeterProvider(options...)
	var err error
	if t.metrics, err = observe.NewMetrics(t.meters.Meter(scope)); err != nil {
		return fmt.Errorf("creating the meters: %w", err)
	}
	return nil
}

// metricReader returns the reader of one name in OTEL_METRICS_EXPORTER.
func metricReader(ctx context.Context, o Options, name string) (sdkmetric.Reader, error) {
	open, ok := o.Metrics[name]
	if !ok {
		can := strings.Join(slices.Sorted(maps.Keys(o.Metrics)), ", ")
		return nil, fmt.Errorf("%s names %q, which this program does not support: use none, or one or more of %s, separated by commas", envMetricsExporter, name, can)
	}
	reader, err := open(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s=%s: %w", envMetricsExporter, name, err)
	}
	return reader, nil
}

// ConsoleMetrics writes metrics to out every minute, or at OTEL_METRIC_EXPORT_INTERVAL.
func ConsoleMetrics(out io.Writer) MetricReaders {
	return MetricReaders{"console": func(context.Context) (sdkmetric.Reader, error) {
		exporter, err := stdoutmetric.New(stdoutmetric.WithWriter(out))
		if err != nil {
			return nil, err
		}
		return sdkmetric.NewPeriodicReader(exporter), nil
	}}
}
