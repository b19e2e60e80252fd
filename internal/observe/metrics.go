package observe

import (
	"errors"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// The names of the meters. Dashboards and alarms know them: never rename one.
const (
	MetricRequests    = "http.server.request.duration"
	MetricCommands    = "gakushoku.command.duration"
	MetricConflicts   = "gakushoku.command.conflicts"
	MetricRetries     = "gakushoku.command.retries"
	MetricRepeats     = "gakushoku.command.repeats"
	MetricAppended    = "gakushoku.events.appended"
	MetricTouched     = "gakushoku.events.touched"
	MetricLag         = "gakushoku.projection.lag"
	MetricDelivered   = "gakushoku.projection.events"
	MetricHeals       = "gakushoku.projection.heals"
	MetricParked      = "gakushoku.projection.parked"
	MetricLogHead     = "gakushoku.log.head"
	MetricLogLag      = "gakushoku.log.lag"
	MetricPointers    = "gakushoku.pointer.reads"
	MetricPlanned     = "gakushoku.rebuild.planned"
	MetricFolded      = "gakushoku.rebuild.events"
	MetricVerified    = "gakushoku.rebuild.verified"
	MetricColdStarts  = "gakushoku.function.cold_start"
	MetricLost        = "gakushoku.telemetry.lost"
	MetricConnections = "gakushoku.http.connections"
	MetricCPU         = "system.cpu.utilization"
	MetricMemory      = "system.memory.utilization"
	MetricDisk        = "system.filesystem.utilization"
)

// Metrics are the meters of a process. A nil one measures nothing. It is safe for concurrent use.
type Metrics struct {
	meter                                    metric.Meter
	requests, commands, lag, logLag          metric.Float64Histogram
	conflicts, retries, repeats, appends     metric.Int64Counter
	steps, heals, pointers, folded, verified metric.Int64Counter
	coldStarts, touched                      metric.Int64Counter
	logHead, parked, planned                 metric.Int64Gauge
	series                                   seriesOptions
}

// Slow is from when on what a guest waits for is slow: the target that 95 % of the requests keep to.
const Slow = 200 * time.Millisecond

// The bounds of histograms, in seconds: of what somebody waits for, and of how late something is.
// The targets (Slow and 0.1) are among them, so that an alarm does not have to guess.
var (
	latencyBounds = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, Slow.Seconds(), 0.25, 0.5, 1, 2.5, 5, 10}
	lagBounds     = []float64{0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300}
)

// NewMetrics makes the meters.
func NewMetrics(meter metric.Meter) (*Metrics, error) {
	var errs []error
	histogram := func(name, about string, bounds []float64) metric.Float64Histogram {
		h, err := meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(about), metric.WithExplicitBucketBoundaries(bounds...))
		errs = append(errs, err)
		return h
	}
	counter := func(name, about string) metric.Int64Counter {
		c, err := meter.Int64Counter(name, metric.WithDescription(about))
		errs = append(errs, err)
		return c
	}
	gauge := func(name, about string) metric.Int64Gauge {
		g, err := meter.Int64Gauge(name, metric.WithDescription(about))
		errs = append(errs, err)
		return g
	}
	m := &Metrics{
		meter:      meter,
		requests:   histogram(MetricRequests, "Requests, how long they took", latencyBounds),
		commands:   histogram(MetricCommands, "Commands, how long they took", latencyBounds),
		touched:    counter(MetricTouched, "Records of the event table's stream that are not of a new event, by what they are"),
		lag:        histogram(MetricLag, "From when an event occurred to when it was in the read model", lagBounds),
		logLag:     histogram(MetricLogLag, "From when the newest event of a segment occurred to when it was in the log", lagBounds),
		conflicts:  counter(MetricConflicts, "Races for a stream that a command lost"),
		retries:    counter(MetricRetries, "Tries of commands after the first"),
		repeats:    counter(MetricRepeats, "Commands that had been carried out before, and were answered again"),
		appends:    counter(MetricAppended, "Events that commands have appended"),
		steps:      counter(MetricDelivered, "Events that were delivered, once for each table version that is written, by what came of them"),
		heals:      counter(MetricHeals, "Streams that were folded from the event store"),
		pointers:   counter(MetricPointers, "Reads of a version pointer, answered from memory or not"),
		folded:     counter(MetricFolded, "Events that the steps of rebuilds have gone through"),
		verified:   counter(MetricVerified, "Rebuilds that were verified, by whether they were right"),
		coldStarts: counter(MetricColdStarts, "Processes of a function that have had their first invocation"),
		logHead:    gauge(MetricLogHead, "Number of the newest event in the log that this process has put there"),
		parked:     gauge(MetricParked, "Streams that are parked in the active version"),
		planned:    gauge(MetricPlanned, "Events that the rebuild under way has to go through"),
	}
	return m, errors.Join(errs...)
}
