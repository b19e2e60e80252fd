package observe

import (
	"context"
	"errors"
	"fmt"
	"math"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Vitals are how much of a machine is in use, each a part from 0 to 1, NaN when it is not known.
type Vitals struct{ CPU, Memory, Disk float64 }

// Watch has look asked whenever somebody reads the metrics, for what nobody measures before
// that: the machine, and what look itself measures.
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
	cpu := gauge(MetricCPU, "Part of the processors' time that was used since the last look")
	memory := gauge(MetricMemory, "Part of the memory that is in use")
	disk := gauge(MetricDisk, "Part of the disk that is in use")
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
		return fmt.Errorf("watching the machine: %w", err)
	}
	return nil
}

// Lossy is a place to which log lines or spans go, and where some may get lost.
type Lossy interface {
	Name() string
	Lost() int64 // so far
}

// WatchLost measures, whenever somebody reads the metrics, how much was lost on the way to each
// of these.
func (m *Metrics) WatchLost(sinks ...Lossy) error {
	if m == nil {
		return nil
	}
	_, err := m.meter.Int64ObservableCounter(MetricLost, metric.WithDescription("Log lines, spans and exports of metrics that could not be written or sent"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			for _, s := range sinks {
				o.Observe(s.Lost(), metric.WithAttributes(attribute.String(AttrSink, s.Name())))
			}
			return nil
		}))
	if err != nil {
		return fmt.Errorf("watching what is lost: %w", err)
	}
	return nil
}

// WatchConnections measures, whenever somebody reads the metrics, how many clients are connected.
func (m *Metrics) WatchConnections(open func() int64) error {
	if m == nil {
		return nil
	}
	_, err := m.meter.Int64ObservableGauge(MetricConnections, metric.WithDescription("Clients that are connected to the HTTP interface"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(open())
			return nil
		}))
	if err != nil {
		return fmt.Errorf("watching the connections: %w", err)
	}
	return nil
}
