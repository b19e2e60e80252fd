package observe

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"gakushoku/internal/fault"
)

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
	m.requests.Record(ctx, took.Seconds(), m.series.of(seriesKey{method, route, status, classOf(err)}, func(k seriesKey) []attribute.KeyValue {
		return []attribute.KeyValue{attribute.String("http.request.method", k.what), attribute.String("http.route", k.outcome), attribute.Int("http.response.status_code", k.status)}
	})...)
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
	m.commands.Record(ctx, took.Seconds(), m.series.of(seriesKey{name, result, 0, classOf(err)}, func(k seriesKey) []attribute.KeyValue {
		return []attribute.KeyValue{attribute.String(AttrCommand, k.what), attribute.String(AttrResult, k.outcome)}
	})...)
	if appended > 0 {
		m.appends.Add(ctx, int64(appended))
	}
}

func classOf(err error) string {
	if err == nil {
		return ""
	}
	return string(fault.ClassOf(err))
}

// seriesKey is what one series of a histogram is about: the method, route and status of requests,
// or the name and result of commands. The class is "" when there was no error.
type seriesKey struct {
	what, outcome string
	status        int
	class         string
}

// seriesOptions are the options of measurements that come again and again, since making the set of
// their attributes costs more than the measurement. There are as many as series, and the SDK has
// each of those in memory anyway. It is safe for concurrent use.
type seriesOptions struct {
	mu     sync.RWMutex
	byWhat map[seriesKey][]metric.RecordOption
}

// of are the options of a series; attributes makes those that no error adds.
func (s *seriesOptions) of(key seriesKey, attributes func(seriesKey) []attribute.KeyValue) []metric.RecordOption {
	s.mu.RLock()
	options := s.byWhat[key]
	s.mu.RUnlock()
	if options != nil {
		return options
	}
	all := attributes(key)
	if key.class != "" {
		all = append(all, attribute.String(AttrErrorClass, key.class))
	}
	options = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(all...))}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byWhat == nil {
		s.byWhat = map[seriesKey][]metric.RecordOption{}
	}
	s.byWhat[key] = options
	return options
}

// Retried counts a try of a command after the first.
func (m *Metrics) Retried(ctx context.Context, name string) {
	if m != nil {
		m.retries.Add(ctx, 1, metric.WithAttributes(attribute.String(AttrCommand, name)))
	}
}

// Repeated counts a command that had been carried out before.
func (m *Metrics) Repeated(ctx context.Context, name string) {
	if m != nil {
		m.repeats.Add(ctx, 1, metric.WithAttributes(attribute.String(AttrCommand, name)))
	}
}

// Conflict counts a race that a command lost.
func (m *Metrics) Conflict(ctx context.Context, name string) {
	if m != nil {
		m.conflicts.Add(ctx, 1, metric.WithAttributes(attribute.String(AttrCommand, name)))
	}
}

// What came out of the event table's stream beside new events, as TableTouched counts it.
const (
	TableChanged     = "changed"     // a stored event was changed or removed
	TableUndecodable = "undecodable" // something that cannot be read was put there
)

// TableTouched counts a record of the event table's stream that is not of a new event.
func (m *Metrics) TableTouched(ctx context.Context, what string) {
	if m != nil {
		m.touched.Add(ctx, 1, metric.WithAttributes(attribute.String(AttrResult, what)))
	}
}

// Delivered counts an event by what came of it: applied, duplicate, gap, parked or set-aside.
func (m *Metrics) Delivered(ctx context.Context, projection, outcome string) {
	if m != nil {
		m.steps.Add(ctx, 1, metric.WithAttributes(attribute.String(AttrProjection, projection), attribute.String(AttrResult, outcome)))
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
func (m *Metrics) Planned(ctx context.Context, projection string, events int64) {
	if m != nil {
		m.planned.Record(ctx, events, metric.WithAttributes(attribute.String(AttrProjection, projection)))
	}
}

// Folded counts events that a step of a rebuild has gone through.
func (m *Metrics) Folded(ctx context.Context, projection, step string, events int64) {
	if m != nil && events > 0 {
		m.folded.Add(ctx, events, metric.WithAttributes(attribute.String(AttrProjection, projection), attribute.String(AttrStep, step)))
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
