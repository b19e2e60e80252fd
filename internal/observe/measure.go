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

// WithMetrics returns a context whose operations m measures.
func WithMetrics(ctx context.Context, m *Metrics) context.Context {
	return context.WithValue(ctx, metricsKey{}, m)
}

// MetricsOf returns the meters of ctx, nil if nothing is measured.
func MetricsOf(ctx context.Context) *Metrics {
	m, _ := ctx.Value(metricsKey{}).(*Metrics)
	return m
}

// Request measures a request. Its route is that of the contract, "" if there is none.
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

// Called measures a call of a system of others.
func (m *Metrics) Called(ctx context.Context, system, call string, took time.Duration, err error) {
	if m == nil {
		return
	}
	m.calls.Record(ctx, took.Seconds(), m.series.of(seriesKey{system, call, 0, classOf(err)}, func(k seriesKey) []attribute.KeyValue {
		return []attribute.KeyValue{attribute.String(AttrSystem, k.what), attribute.String(AttrCall, k.outcome)}
	})...)
}

func classOf(err error) string {
	if err == nil {
		return ""
	}
	return string(fault.ClassOf(err))
}

// seriesKey identifies a series of a histogram: the method, route and status of requests, or the name and
// result of commands, or the system and call outside. The class is "" if there was no error.
type seriesKey struct {
	what, outcome string
	status        int
	class         string
}

// seriesOptions caches the options of frequent measurements, since creating a set of attributes costs more
// than the measurement. It holds one entry per series, which the SDK keeps in memory anyway. It is safe
// for concurrent use.
type seriesOptions struct {
	mu     sync.RWMutex
	byWhat map[seriesKey][]metric.RecordOption
}

// of returns the options of a series. attributes returns those apart from the class of an error.
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

// Retried counts an attempt of a command after the first.
func (m *Metrics) Retried(ctx context.Context, name string) {
	if m != nil {
		m.retries.Add(ctx, 1, metric.WithAttributes(attribute.String(AttrCommand, name)))
	}
}

// Repeated counts a command that had already been executed.
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

// The records that TableTouched counts.
const (
	TableChanged     = "changed"     // a stored event was changed or removed
	TableUndecodable = "undecodable" // an item that is not an event was put there
)

// TableTouched counts a record of the event table's stream that is not a new event.
func (m *Metrics) TableTouched(ctx context.Context, what string) {
	if m != nil {
		m.touched.Add(ctx, 1, metric.WithAttributes(attribute.String(AttrResult, what)))
	}
}

// Delivered counts an event by its outcome: applied, duplicate, gap, parked or set-aside.
func (m *Metrics) Delivered(ctx context.Context, projection, outcome string) {
	if m != nil {
		m.steps.Add(ctx, 1, metric.WithAttributes(attribute.String(AttrProjection, projection), attribute.String(AttrResult, outcome)))
	}
}

// Projected measures the delay of an event in a projection.
func (m *Metrics) Projected(ctx context.Context, projection string, late time.Duration) {
	if m != nil {
		m.lag.Record(ctx, max(0, late.Seconds()), metric.WithAttributes(attribute.String(AttrProjection, projection)))
	}
}

// Healed counts streams that were folded again.
func (m *Metrics) Healed(ctx context.Context, projection string, streams int) {
	if m != nil {
		m.heals.Add(ctx, int64(streams), metric.WithAttributes(attribute.String(AttrProjection, projection)))
	}
}

// Archived measures a segment that was added to the log.
func (m *Metrics) Archived(ctx context.Context, last uint64, late time.Duration) {
	if m != nil {
		m.logHead.Record(ctx, int64(last))
		m.logLag.Record(ctx, max(0, late.Seconds()))
	}
}

// ReplicaBehind records how far the copy of a log is behind it, or a standby behind its primary.
func (m *Metrics) ReplicaBehind(ctx context.Context, behind time.Duration) {
	if m != nil {
		m.replica.Record(ctx, int64(behind.Seconds()))
	}
}

// AuditBroken records whether the log contradicts its signed checkpoints.
func (m *Metrics) AuditBroken(ctx context.Context, broken bool) {
	if m != nil {
		m.audit.Record(ctx, oneIf(broken))
	}
}

// BackupLate records whether the newest backup is too old.
func (m *Metrics) BackupLate(ctx context.Context, late bool) {
	if m != nil {
		m.backup.Record(ctx, oneIf(late))
	}
}

// RestoreFailed records whether the last rehearsed restore failed, or is too old.
func (m *Metrics) RestoreFailed(ctx context.Context, failed bool) {
	if m != nil {
		m.rehearsed.Record(ctx, oneIf(failed))
	}
}

func oneIf(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// PointerRead counts a read of a version pointer.
func (m *Metrics) PointerRead(ctx context.Context, cached bool) {
	if m != nil {
		m.pointers.Add(ctx, 1, metric.WithAttributes(attribute.Bool(AttrCached, cached)))
	}
}

// ListRead counts a read of a whole list that readers keep.
func (m *Metrics) ListRead(ctx context.Context, projection string, cached bool) {
	if m != nil {
		m.lists.Add(ctx, 1, metric.WithAttributes(attribute.String(AttrProjection, projection), attribute.Bool(AttrCached, cached)))
	}
}

// Parked records how many streams are parked in the active version of a projection.
func (m *Metrics) Parked(ctx context.Context, projection string, streams int) {
	if m != nil {
		m.parked.Record(ctx, int64(streams), metric.WithAttributes(attribute.String(AttrProjection, projection)))
	}
}

// Planned records how many events a rebuild has to process.
func (m *Metrics) Planned(ctx context.Context, projection string, events int64) {
	if m != nil {
		m.planned.Record(ctx, events, metric.WithAttributes(attribute.String(AttrProjection, projection)))
	}
}

// Folded counts the events that a step of a rebuild has processed.
func (m *Metrics) Folded(ctx context.Context, projection, step string, events int64) {
	if m != nil && events > 0 {
		m.folded.Add(ctx, events, metric.WithAttributes(attribute.String(AttrProjection, projection), attribute.String(AttrStep, step)))
	}
}

// Verified counts a verified rebuild, by whether it was correct.
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

// The outcomes that ProcessRun counts.
const (
	RunStarted     = "started"
	RunCompleted   = "completed"   // it rests
	RunCompensated = "compensated" // it rests after undoing something
	RunStuck       = "stuck"
)

// ProcessRun counts what became of a process's work for one stream.
func (m *Metrics) ProcessRun(ctx context.Context, process, outcome string) {
	if m != nil {
		m.runs.Add(ctx, 1, metric.WithAttributes(attribute.String(AttrProcess, process), attribute.String(AttrResult, outcome)))
	}
}

// ProcessStep measures an attempt at a step.
func (m *Metrics) ProcessStep(ctx context.Context, process, step string, took time.Duration, err error) {
	if m == nil {
		return
	}
	result := ResultOK
	if err != nil {
		result = ResultNG
	}
	m.tasks.Record(ctx, took.Seconds(), metric.WithAttributes(
		attribute.String(AttrProcess, process), attribute.String(AttrStep, step), attribute.String(AttrResult, result)))
}

// ProcessState records how many tasks are stuck, and for how long the oldest has been due.
func (m *Metrics) ProcessState(ctx context.Context, process string, stuck int, overdue time.Duration) {
	if m != nil {
		labels := metric.WithAttributes(attribute.String(AttrProcess, process))
		m.stuck.Record(ctx, int64(stuck), labels)
		m.overdue.Record(ctx, int64(overdue.Seconds()), labels)
	}
}

// ColdStarted counts the first invocation of a function's process.
func (m *Metrics) ColdStarted(ctx context.Context) {
	if m != nil {
		m.coldStarts.Add(ctx, 1)
	}
}
