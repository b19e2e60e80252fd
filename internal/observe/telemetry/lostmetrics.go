package telemetry

import (
	"context"
	"sync/atomic"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"gakushoku/internal/observe"
)

// sentMetrics is a reader that sends the metrics now and then, and counts what did not get through.
type sentMetrics struct {
	*sdkmetric.PeriodicReader
	counted *countedMetrics
}

var _ observe.Lossy = sentMetrics{}

// SendMetrics reads the metrics for an exporter now and then. What the exporter could not send is
// counted with the other telemetry that was lost.
func SendMetrics(e sdkmetric.Exporter) sdkmetric.Reader {
	c := &countedMetrics{Exporter: e}
	return sentMetrics{sdkmetric.NewPeriodicReader(c), c}
}

// Name is observe.Lossy.
func (s sentMetrics) Name() string { return "metrics" }

// Lost is how many exports did not get through.
func (s sentMetrics) Lost() int64 { return s.counted.lost.Load() }

// countedMetrics counts the exports that failed.
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
