package observe

import (
	"errors"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// The names of the meters. Dashboards and alarms use them: never rename one.
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
	MetricAudit       = "gakushoku.audit.broken"
	MetricReplica     = "gakushoku.replica.behind"
	MetricBackup      = "gakushoku.backup.late"
	MetricRehearsed   = "gakushoku.backup.drill.failed"
	MetricPointers    = "gakushoku.pointer.reads"
	MetricLists       = "gakushoku.list.reads"
	MetricPlanned     = "gakushoku.rebuild.planned"
	MetricFolded      = "gakushoku.rebuild.events"
	MetricVerified    = "gakushoku.rebuild.verified"
	MetricSteps       = "gakushoku.process.step.duration"
	MetricRuns        = "gakushoku.process.runs"
	MetricStuck       = "gakushoku.process.stuck"
	MetricOverdue     = "gakushoku.process.overdue"
	MetricColdStarts  = "gakushoku.function.cold_start"
	MetricLost        = "gakushoku.telemetry.lost"
	MetricConnections = "gakushoku.http.connections"
	MetricCalls       = "gakushoku.outside.duration"
	MetricCPU         = "system.cpu.utilization"
	MetricMemory      = "system.memory.utilization"
	MetricDisk        = "system.filesystem.utilization"
)

// Metrics are the meters of a process. Nil measures nothing. It is safe for concurrent use.
type Metrics struct {
	meter                                           metric.Meter
	requests, commands, lag, logLag, calls          metric.Float64Histogram
	tasks                                           metric.Float64Histogram
	conflicts, retries, repeats, appends            metric.Int64Counter
	steps, heals, pointers, lists, folded, verified metric.Int64Counter
	coldStarts, touched                             metric.Int64Counter
	logHead, parked, planned, audit, replica        metric.Int64Gauge
	runs                                            metric.Int64Counter
	stuck, overdue, backup, rehearsed               metric.Int64Gauge
	series                                          seriesOptions
}

// Slow is the target for the duration of 95 % of the requests: longer ones count as slow.
const Slow = 200 * time.Millisecond

// The bounds of histograms in seconds, for durations and for delays. The targets (Slow and 0.1) are among
// them, so that alarms do not have to interpolate.
var (
	latencyBounds = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, Slow.Seconds(), 0.25, 0.5, 1, 2.5, 5, 10}
	lagBounds     = []float64{0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300}
)

// NewMetrics creates the meters.
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
		requests:   histogram(MetricRequests, "Duration of requests", latencyBounds),
		commands:   histogram(MetricCommands, "Duration of commands", latencyBounds),
		touched:    counter(MetricTouched, "Records of the event table's stream that are not new events, by kind"),
		calls:      histogram(MetricCalls, "Duration of calls of systems of others", latencyBounds),
		tasks:      histogram(MetricSteps, "Duration of attempts at the steps of processes", latencyBounds),
		runs:       counter(MetricRuns, "Streams for which a process began, rests, rests after undoing, or is stuck, by outcome"),
		stuck:      gauge(MetricStuck, "Tasks of a process that only an operator has tried again"),
		overdue:    gauge(MetricOverdue, "Seconds for which the oldest task of a process has been due"),
		lag:        histogram(MetricLag, "Delay between an event and its row in the read model", lagBounds),
		logLag:     histogram(MetricLogLag, "Delay between the newest event of a segment and the segment in the log", lagBounds),
		conflicts:  counter(MetricConflicts, "Races for a stream that commands lost"),
		retries:    counter(MetricRetries, "Attempts of commands after the first"),
		repeats:    counter(MetricRepeats, "Commands that had already been executed and returned their first outcome"),
		appends:    counter(MetricAppended, "Events appended by commands"),
		steps:      counter(MetricDelivered, "Events delivered to each written table version, by outcome"),
		heals:      counter(MetricHeals, "Streams folded from the event store"),
		pointers:   counter(MetricPointers, "Reads of a version pointer, from memory or not"),
		lists:      counter(MetricLists, "Reads of whole lists that readers keep, from memory or not"),
		folded:     counter(MetricFolded, "Events processed by the steps of rebuilds"),
		verified:   counter(MetricVerified, "Verified rebuilds, by result"),
		coldStarts: counter(MetricColdStarts, "Processes of a function that had their first invocation"),
		logHead:    gauge(MetricLogHead, "Number of the newest event that this process added to the log"),
		replica:    gauge(MetricReplica, "Seconds for which the copy of the log may lack something"),
		audit:      gauge(MetricAudit, "1 if the log contradicts its signed checkpoints, otherwise 0"),
		backup:     gauge(MetricBackup, "1 if the newest backup is too old, otherwise 0"),
		rehearsed:  gauge(MetricRehearsed, "1 if the last rehearsed restore failed or is too old, otherwise 0"),
		parked:     gauge(MetricParked, "Streams parked in the active version"),
		planned:    gauge(MetricPlanned, "Events that the current rebuild has to process"),
	}
	return m, errors.Join(errs...)
}
