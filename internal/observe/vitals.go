package observe

import (
	"context"
	"errors"
	"fmt"
	"math"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Vitals are the shares of a machine in use, from 0 to 1, NaN if unknown.
type Vitals struct{ CPU, Memory, Disk float64 }

// Watch calls look whenever the metrics are read. It measures the machine, and whatever look itself
// measures.
func (m *Metrics) Watch(look func(context.Context) Vitals) error {
	if m == nil {
		return nil
	}
	var errs []error
	gauge := func(name, about string) metric.Float64ObservableGauge {
		g, err := m.meter.Float64ObservableGauge(name, metric.WithUnit("1"), metric.WithDescription(about))
		errs = append(errs, err)
		return g
	}
	cpu := gauge(MetricCPU, "Share of processor time used since the last reading")
	memory := gauge(MetricMemory, "Share of memory in use")
	disk := gauge(MetricDisk, "Share of the disk in use")
	_, err := m.meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		v := look(ctx)
		for g, value := range map[metric.Float64ObservableGauge]float64{cpu: v.CPU, memory: v.Memory, disk: v.Disk} {
			if !math.IsNaN(value) {
				o.ObserveFloat64(g, value)
			}
		}
		return nil
	}, cpu, memory, disk)
	if err := errors.Join(append(errs, err)...); err != nil {
		return fmt.Errorf("measuring the machine: %w", err)
	}
	return nil
}

// Lossy is a destination of telemetry on the way to which some may be lost.
type Lossy interface {
	Name() string
	Lost() int64 // so far
}

// WatchLost measures what was lost on the way to each of the sinks, whenever the metrics are read.
func (m *Metrics) WatchLost(sinks ...Lossy) error {
	if m == nil {
		return nil
	}
	_, err := m.meter.Int64ObservableCounter(MetricLost, metric.WithDescription("Log lines, spans and metric exports that could not be written or sent"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			for _, s := range sinks {
				o.Observe(s.Lost(), metric.WithAttributes(attribute.String(AttrSink, s.Name())))
			}
			return nil
		}))
	if err != nil {
		return fmt.Errorf("measuring lost telemetry: %w", err)
	}
	return nil
}

// WatchConnections measures how many clients are connected, whenever the metrics are read.
func (m *Metrics) WatchConnections(open func() int64) error {
	if m == nil {
		return nil
	}
	_, err := m.meter.Int64ObservableGauge(MetricConnections, metric.WithDescription("Clients connected to the HTTP interface"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(open())
			return nil
		}))
	if err != nil {
		return fmt.Errorf("measuring the connections: %w", err)
	}
	return nil
}
