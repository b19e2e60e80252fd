package observe

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"gakushoku/internal/fault"
)

// The names of the meters. Dashboards and alarms know them: never rename one.
const (
	MetricRequests   = "http.server.request.duration"
	MetricCommands   = "gakushoku.command.duration"
	MetricConflicts  = "gakushoku.command.conflicts"
	MetricAppended   = "gakushoku.events.appended"
	MetricLag        = "gakushoku.projection.lag"
	MetricDelivered  = "gakushoku.projection.events"
	MetricHeals      = "gakushoku.projection.heals"
	MetricParked     = "gakushoku.projection.parked"
	MetricLogHead    = "gakushoku.log.head"
	MetricLogLag     = "gakushoku.log.lag"
	MetricPointers   = "gakushoku.pointer.reads"
	MetricPlanned    = "gakushoku.rebuild.planned"
	MetricFolded     = "gakushoku.rebuild.events"
	MetricVerified   = "gakushoku.rebuild.verified"
	MetricColdStarts = "gakushoku.function.cold_start"
)

// Metrics are the meters of a process. A nil one measures nothing. It is safe for concurrent use.
type Metrics struct {
	requests, commands, lag, logLag                                          metric.Float64Histogram
	conflicts, appends, steps, heals, pointers, folded, verified, coldStarts metric.Int64Counter
	logHead, parked, planned                                                 metric.Int64Gauge
}

// The bounds of histograms, in seconds: of what somebody waits for, and of how late something is.
var (
	latencyBounds = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}
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
		requests:   histogram(MetricRequests, "Requests, how long they took", latencyBounds),
		commands:   histogram(MetricCommands, "Commands, how long they took", latencyBounds),
		lag:        histogram(MetricLag, "From when an event occurred to when it was in the read model", lagBounds),
		logLag:     histogram(MetricLogLag, "From when the newest event of a segment occurred to when it was in the log", lagBounds),
		conflicts:  counter(MetricConflicts, "Races for a stream that a command lost, and tried again"),
		appends:    counter(MetricAppended, "Events that commands have appended"),
		steps:      counter(MetricDelivered, "Events that were delivered, by what came of them"),
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

type metricsKey struct{}

// WithMetrics returns a context whose operations are measured by m.
func WithMetrics(ctx context.Context, m *Metrics) context.Context {
	return context.WithValue(ctx, metricsKey{}, m)
}

// MetricsOf is what measures the operations of ctx, nil for nothing.
func MetricsOf(ctx context.Context) *Metrics {
	m, _ := ctx.Value(metricsKey{}).(*Metrics)
	return m
}

// Request measures a request. Its route is as in the contract, "" when there is none.
func (m *Metrics) Request(ctx context.Context, method, route string, status int, took time.Duration, err error) {
	if m == nil {
		return
	}
	attributes := []attribute.KeyValue{attribute.String("http.request.method", method), attribute.String("http.route", route), attribute.Int("http.response.status_code", status)}
	m.requests.Record(ctx, took.Seconds(), metric.WithAttributes(withClass(attributes, err)...))
}

// Command measures a command.
func (m *Metrics) Command(ctx context.Context, name string, took time.Duration, appended int, err error) {
	if m == nil {
		return
	}
	result := ResultOK
	if err != nil {
		result = ResultNG
	}
	attributes := []attribute.KeyValue{attribute.String(AttrCommand, name), attribute.String(AttrResult, result)}
	m.commands.Record(ctx, took.Seconds(), metric.WithAttributes(withClass(attributes, err)...))
	if appended > 0 {
		m.appends.Add(ctx, int64(appended))
	}
}

func withClass(attributes []attribute.KeyValue, err error) []attribute.KeyValue {
	if err == nil {
		return attributes
	}
	return append(attributes, attribute.String(AttrErrorClass, string(fault.ClassOf(err))))
}

// Conflict counts a race that a command lost.
func (m *Metrics) Conflict(ctx context.Context, name string) {
	if m != nil {
		m.conflicts.Add(ctx, 1, metric.WithAttributes(attribute.String(AttrCommand, name)))
	}
}

// Delivered counts an event by what came of it: applied, duplicate, gap, parked or set-aside.
func (m *Metrics) Delivered(ctx context.Context, outcome string) {
	if m != nil {
		m.steps.Add(ctx, 1, metric.WithAttributes(attribute.String(AttrResult, outcome)))
	}
}

// Projected measures how late an event came into a projection.
func (m *Metrics) Projected(ctx context.Context, projection string, late time.Duration) {
	if m != nil {
		m.lag.Record(ctx, max(0, late.Seconds()), metric.WithAttributes(attribute.String(AttrProjection, projection)))
	}
}

// Healed counts streams that were folded anew.
func (m *Metrics) Healed(ctx context.Context, projection string, streams int) {
	if m != nil {
		m.heals.Add(ctx, int64(streams), metric.WithAttributes(attribute.String(AttrProjection, projection)))
	}
}

// Archived measures a segment that has come into the log.
func (m *Metrics) Archived(ctx context.Context, last uint64, late time.Duration) {
	if m != nil {
		m.logHead.Record(ctx, int64(last))
		m.logLag.Record(ctx, max(0, late.Seconds()))
	}
}

// PointerRead counts a read of a version pointer.
func (m *Metrics) PointerRead(ctx context.Context, cached bool) {
	if m != nil {
		m.pointers.Add(ctx, 1, metric.WithAttributes(attribute.Bool(AttrCached, cached)))
	}
}

// Parked tells how many streams are parked in the active version of a projection.
func (m *Metrics) Parked(ctx context.Context, projection string, streams int) {
	if m != nil {
		m.parked.Record(ctx, int64(streams), metric.WithAttributes(attribute.String(AttrProjection, projection)))
	}
}

// Planned tells how many events a rebuild has to go through.
func (m *Metrics) Planned(ctx context.Context, projection string, events uint64) {
	if m != nil {
		m.planned.Record(ctx, int64(events), metric.WithAttributes(attribute.String(AttrProjection, projection)))
	}
}

// Folded counts events that a step of a rebuild has gone through.
func (m *Metrics) Folded(ctx context.Context, projection, step string, events uint64) {
	if m != nil && events > 0 {
		m.folded.Add(ctx, int64(events), metric.WithAttributes(attribute.String(AttrProjection, projection), attribute.String(AttrStep, step)))
	}
}

// Verified counts a rebuild that was verified: whether it was found right.
func (m *Metrics) Verified(ctx context.Context, projection string, sound bool) {
	if m == nil {
		return
	}
	result := ResultOK
	if !sound {
		result = ResultNG
	}
	m.verified.Add(ctx, 1, metric.WithAttributes(attribute.String(AttrProjection, projection), attribute.String(AttrResult, result)))
}

// ColdStarted counts the first invocation of a function's process.
func (m *Metrics) ColdStarted(ctx context.Context) {
	if m != nil {
		m.coldStarts.Add(ctx, 1)
	}
}
