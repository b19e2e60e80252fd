// Package top makes of two readings of a running server's metrics what happens there now: how
// much, how fast, what fails, and how far the read models and the log are behind. It is pure.
package top

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gakushoku/internal/health"
	"gakushoku/internal/telemetry/promtext"
)

// Reading is what a server said of itself at a time.
type Reading struct {
	At      time.Time
	Samples []promtext.Sample
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
	RepeatsPerSecond   float64            `json:"repeatsPerSecond"`   // commands that had been carried out before
	Delivered          map[string]float64 `json:"deliveredPerSecond"` // events, by what came of them
	Projections        []Projection       `json:"projections"`
	Log                Log                `json:"log"`
	PointerHits        *float64           `json:"pointerHits,omitempty"` // share of pointer reads answered from memory
	Rebuilds           []Rebuild          `json:"rebuilds"`              // that run in the server's process
	Machine            Machine            `json:"machine"`
}

// Rate is how often something happened, and how long it took.
type Rate struct {
	Name       string  `json:"name"`
	Result     string  `json:"result"`
	ErrorClass string  `json:"errorClass,omitempty"`
	PerSecond  float64 `json:"perSecond"`
	Quantiles
}

// Quantiles are of something that was timed; nil when it did not happen. What is longer than the
// meter counts is as long as that.
type Quantiles struct {
	P50Ms *float64 `json:"p50Ms,omitempty"`
	P95Ms *float64 `json:"p95Ms,omitempty"`
}

// Projection is how a read model is kept up to date.
type Projection struct {
	Name           string    `json:"name"`
	Lag            Quantiles `json:"lag"`
	HealsPerSecond float64   `json:"healsPerSecond"`
	Parked         *float64  `json:"parked,omitempty"` // streams; nil when nobody has counted them yet
}

// Log is how the numbered log is kept up to date.
type Log struct {
	Head *float64  `json:"head,omitempty"` // number of its newest event; nil when this process has added none
	Lag  Quantiles `json:"lag"`
}

// Rebuild is how far a rebuild has come.
type Rebuild struct {
	Projection string             `json:"projection"`
	Planned    float64            `json:"planned"`   // events
	PerSecond  map[string]float64 `json:"perSecond"` // events, by step
}

// Machine is which parts of the server's machine are in use, from 0 to 1; nil where it cannot tell.
type Machine struct {
	CPU    *float64 `json:"cpu,omitempty"`
	Memory *float64 `json:"memory,omitempty"`
	Disk   *float64 `json:"disk,omitempty"`
}

// The series that a page is made of; Prometheus' names of the meters in package observe.
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

// Between is what happened between two readings of one server.
func Between(before, after Reading) Page {
	d := delta{before: before.Samples, after: after.Samples, seconds: after.At.Sub(before.At).Seconds()}
	p := Page{At: after.At, Seconds: d.seconds, Health: after.Health}
	p.Requests = d.rates(requests, func(l map[string]string) (string, string) {
		if strings.HasPrefix(l[labelRoute], "/health") {
			return "", "" // whoever looks at this page asks there
		}
		return l[labelMethod] + " " + cmp.Or(l[labelRoute], "(no such route)"), l[labelStatus]
	})
	p.Commands = d.rates(commands, func(l map[string]string) (string, string) { return l[labelCommand], l[labelResult] })
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

// delta is two readings of the samples.
type delta struct {
	before, after []promtext.Sample
	seconds       float64
}

func everything(map[string]string) bool { return true }

// sums are increases a second, by the value of a label. Samples without the label are left out,
// unless it is "".
func (d *delta) sums(name, label string) map[string]float64 {
	sums := map[string]float64{}
	for _, s := range promtext.Increases(d.before, d.after, name) {
		if value := s.Labels[label]; label == "" || value != "" {
			sums[value] += s.Value / d.seconds
		}
	}
	return sums
}

func total(sums map[string]float64) (all float64) {
	for _, v := range sums {
		all += v
	}
	return all
}

func share(sums map[string]float64, of string) *float64 {
	all := total(sums)
	if all == 0 {
		return nil
	}
	part := sums[of] / all
	return &part
}

// rates are those of a histogram's series by name and result; "" as a name leaves one out.
func (d *delta) rates(name string, named func(labels map[string]string) (name, result string)) []Rate {
	rates := []Rate{}
	for _, s := range promtext.Increases(d.before, d.after, name+"_count") {
		r := Rate{ErrorClass: s.Labels[labelError], PerSecond: s.Value / d.seconds}
		if r.Name, r.Result = named(s.Labels); r.Name == "" {
			continue
		}
		r.Quantiles = d.quantiles(name, func(l map[string]string) bool {
			n, result := named(l)
			return n == r.Name && result == r.Result && l[labelError] == r.ErrorClass
		})
		rates = append(rates, r)
	}
	slices.SortFunc(rates, func(a, b Rate) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Result, b.Result), strings.Compare(a.ErrorClass, b.ErrorClass))
	})
	return rates
}

// quantiles are of what a histogram counted meanwhile in the series that are wanted.
func (d *delta) quantiles(name string, wanted func(labels map[string]string) bool) Quantiles {
	buckets := slices.DeleteFunc(promtext.Increases(d.before, d.after, name+"_bucket"), func(s promtext.Sample) bool { return !wanted(s.Labels) })
	return Quantiles{quantile(0.5, buckets), quantile(0.95, buckets)}
}

func quantile(q float64, buckets []promtext.Sample) *float64 {
	seconds, ok := promtext.Quantile(q, buckets)
	if !ok {
		return nil
	}
	if math.IsInf(seconds, 1) {
		seconds = 0
		for _, b := range buckets {
			if bound, err := strconv.ParseFloat(b.Labels["le"], 64); err == nil && !math.IsInf(bound, 1) {
				seconds = max(seconds, bound)
			}
		}
	}
	ms := seconds * 1000
	return &ms
}

// gauge is what a gauge says now, of the series whose label has a value; nil when nobody set it.
func (d *delta) gauge(name, label, value string) *float64 {
	for _, s := range d.after {
		if s.Name == name && s.Labels[label] == value {
			return &s.Value
		}
	}
	return nil
}

func (d *delta) projections() []Projection {
	healed := d.sums(heals, labelProjection)
	all := []Projection{}
	for _, name := range d.values(labelProjection, lag+"_count", heals, parked) {
		all = append(all, Projection{
			Name: name, HealsPerSecond: healed[name], Parked: d.gauge(parked, labelProjection, name),
			Lag: d.quantiles(lag, func(l map[string]string) bool { return l[labelProjection] == name }),
		})
	}
	return all
}

// values are those that a label has in some metrics.
func (d *delta) values(label string, names ...string) []string {
	var values []string
	for _, s := range d.after {
		if value := s.Labels[label]; value != "" && slices.Contains(names, s.Name) && !slices.Contains(values, value) {
			values = append(values, value)
		}
	}
	slices.Sort(values)
	return values
}

// rebuilds are those that went through events meanwhile.
func (d *delta) rebuilds() []Rebuild {
	all := []Rebuild{}
	for _, name := range d.values(labelProjection, folded) {
		r := Rebuild{Projection: name, PerSecond: map[string]float64{}}
		for _, s := range promtext.Increases(d.before, d.after, folded) {
			if s.Labels[labelProjection] == name && s.Value > 0 {
				r.PerSecond[s.Labels[labelStep]] += s.Value / d.seconds
			}
		}
		if events := d.gauge(planned, labelProjection, name); events != nil {
			r.Planned = *events
		}
		if len(r.PerSecond) > 0 {
			all = append(all, r)
		}
	}
	return all
}
