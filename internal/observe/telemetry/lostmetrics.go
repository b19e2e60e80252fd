package telemetry

import (
	"context"
	"sync/atomic"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"gakushoku/internal/observe"
)

// sentMetrics is a reader that sends metrics periodically and counts failed exports.
type sentMetrics struct {
	*sdkmetric.PeriodicReader
	counted *countedMetrics
}

var _ observe.Lossy = sentMetrics{}

// SendMetrics returns a reader that exports metrics periodically. Failed exports count as lost telemetry.
func SendMetrics(e sdkmetric.Exporter) sdkmetric.Reader {
	c := &countedMetrics{Exporter: e}
	return sentMetrics{sdkmetric.NewPeriodicReader(c), c}
}

// Name is observe.Lossy.
func (s sentMetrics) Name() string { return "metrics" }

// Lost returns the number of failed exports.
func (s sentMetrics) Lost() int64 { return s.counted.lost.Load() }

// countedMetrics counts failed exports.
type countedMetrics struct {
	sdkmetric.Exporter
	lost atomic.Int64
}

// Export is sdkmetric.Exporter.
func (c *countedMetrics) Export(ctx context.Context, m *metricdata.ResourceMetrics) error {
	err := c.Exporter.Export(ctx, m)
	if err != nil {
		c.lost.Add(1)
	}
	return err
}
