// Package top computes from two readings of a running server's metrics what is happening there: how much, how
// fast, what fails, and how far the read models and the log are behind. It is pure.
package top

import (
	"cmp"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"gakushoku/internal/operate/health"
)

// Reading is what a server reported at a time.
type Reading struct {
	At      time.Time
	Samples model.Vector
	Health  health.Report
}

// Page is what happened between two readings.
type Page struct {
	At      time.Time     `json:"at"`
	Seconds float64       `json:"seconds"`
	Health  health.Report `json:"health"`

	Requests []Rate             `json:"requests"` // by route and status
	Commands []Rate             `json:"commands"` // by name and result
	Errors   map[string]float64 `json:"errorsPerSecond"`

	AppendedPerSecond  float64            `json:"appendedPerSecond"`
	ConflictsPerSecond float64            `json:"conflictsPerSecond"`
	RepeatsPerSecond   float64            `json:"repeatsPerSecond"`   // commands that had been executed before
	Delivered          map[string]float64 `json:"deliveredPerSecond"` // events, by outcome
	Projections        []Projection       `json:"projections"`
	Log                Log                `json:"log"`
	PointerHits        *float64           `json:"pointerHits,omitempty"` // share of pointer reads served from the cache
	Rebuilds           []Rebuild          `json:"rebuilds"`              // those in the server's process
	Machine            Machine            `json:"machine"`
}

// Rate is how often something happened and how long it took.
type Rate struct {
	Name       string  `json:"name"`
	Result     string  `json:"result"`
	ErrorClass string  `json:"errorClass,omitempty"`
	PerSecond  float64 `json:"perSecond"`
	Quantiles
}

// Quantiles are quantiles of durations; nil if nothing was timed. Values above the meter's last bound count
// as that bound.
type Quantiles struct {
	P50Ms *float64 `json:"p50Ms,omitempty"`
	P95Ms *float64 `json:"p95Ms,omitempty"`
}

// Projection is how up to date a read model is.
type Projection struct {
	Name           string    `json:"name"`
	Lag            Quantiles `json:"lag"`
	HealsPerSecond float64   `json:"healsPerSecond"`
	Parked         *float64  `json:"parked,omitempty"` // streams; nil before they are first counted
}

// Log is how up to date the numbered log is.
type Log struct {
	Head *float64  `json:"head,omitempty"` // number of its newest event; nil if this process has added none
	Lag  Quantiles `json:"lag"`
}

// Rebuild is the progress of a rebuild.
type Rebuild struct {
	Projection string             `json:"projection"`
	Planned    float64            `json:"planned"`   // events
	PerSecond  map[string]float64 `json:"perSecond"` // events, by step
}

// Machine is how much of the server's machine is in use, from 0 to 1; nil where that is unknown.
type Machine struct {
	CPU    *float64 `json:"cpu,omitempty"`
	Memory *float64 `json:"memory,omitempty"`
	Disk   *float64 `json:"disk,omitempty"`
}

// The series that a page is computed from: Prometheus' names of the meters in package observe.
const (
	requests  = "http_server_request_duration_seconds"
	commands  = "gakushoku_command_duration_seconds"
	conflicts = "gakushoku_command_conflicts_total"
	repeats   = "gakushoku_command_repeats_total"
	appended  = "gakushoku_events_appended_total"
	delivered = "gakushoku_projection_events_total"
	lag       = "gakushoku_projection_lag_seconds"
	heals     = "gakushoku_projection_heals_total"
	parked    = "gakushoku_projection_parked"
	logHead   = "gakushoku_log_head"
	logLag    = "gakushoku_log_lag_seconds"
	pointers  = "gakushoku_pointer_reads_total"
	planned   = "gakushoku_rebuild_planned"
	folded    = "gakushoku_rebuild_events_total"
	cpu       = "system_cpu_utilization_ratio"
	memory    = "system_memory_utilization_ratio"
	disk      = "system_filesystem_utilization_ratio"
)

// The labels.
const (
	labelMethod     = "http_request_method"
	labelRoute      = "http_route"
	labelStatus     = "http_response_status_code"
	labelError      = "error_type"
	labelCommand    = "gakushoku_command"
	labelResult     = "gakushoku_result"
	labelProjection = "gakushoku_projection"
	labelCached     = "gakushoku_cached"
	labelStep       = "gakushoku_step"
)

// Between returns what happened between two readings of one server.
func Between(before, after Reading) Page {
	d := delta{before: before.Samples, after: after.Samples, seconds: after.At.Sub(before.At).Seconds()}
	p := Page{At: after.At, Seconds: d.seconds, Health: after.Health}
	p.Requests = d.rates(requests, func(l labels) (string, string) {
		if strings.HasPrefix(l.get(labelRoute), "/health") {
			return "", "" // the request for this page itself
		}
		return l.get(labelMethod) + " " + cmp.Or(l.get(labelRoute), "(no such route)"), l.get(labelStatus)
	})
	p.Commands = d.rates(commands, func(l labels) (string, string) { return l.get(labelCommand), l.get(labelResult) })
	p.Errors = d.sums(requests+"_count", labelError)
	p.AppendedPerSecond = total(d.sums(appended, ""))
	p.ConflictsPerSecond = total(d.sums(conflicts, ""))
	p.RepeatsPerSecond = total(d.sums(repeats, ""))
	p.Delivered = d.sums(delivered, labelResult)
	p.Projections = d.projections()
	p.Log = Log{Head: d.gauge(logHead, "", ""), Lag: d.quantiles(logLag, everything)}
	p.PointerHits = share(d.sums(pointers, labelCached), "true")
	p.Rebuilds = d.rebuilds()
	p.Machine = Machine{d.gauge(cpu, "", ""), d.gauge(memory, "", ""), d.gauge(disk, "", "")}
	return p
}
