package top

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"

	"gakushoku/internal/operate/scrape"
)

// delta compares two readings.
type delta struct {
	before, after model.Vector
	seconds       float64
}

// labels are the name and labels of a series.
type labels model.Metric

func (l labels) get(name string) string { return string(l[model.LabelName(name)]) }

func everything(labels) bool { return true }

// sums returns increases per second, by the value of a label. It ignores series without the label, unless
// label is "".
func (d *delta) sums(name, label string) map[string]float64 {
	sums := map[string]float64{}
	for _, s := range scrape.Increases(d.before, d.after, name) {
		if value := labels(s.Metric).get(label); label == "" || value != "" {
			sums[value] += float64(s.Value) / d.seconds
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

// rates returns the rates of a histogram's series by name and result. It ignores series for which named
// returns no name.
func (d *delta) rates(name string, named func(labels) (name, result string)) []Rate {
	rates := []Rate{}
	for _, s := range scrape.Increases(d.before, d.after, name+"_count") {
		own := labels(s.Metric)
		r := Rate{ErrorClass: own.get(labelError), PerSecond: float64(s.Value) / d.seconds}
		if r.Name, r.Result = named(own); r.Name == "" {
			continue
		}
		r.Quantiles = d.quantiles(name, func(l labels) bool {
			n, result := named(l)
			return n == r.Name && result == r.Result && l.get(labelError) == r.ErrorClass
		})
		rates = append(rates, r)
	}
	slices.SortFunc(rates, func(a, b Rate) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Result, b.Result), strings.Compare(a.ErrorClass, b.ErrorClass))
	})
	return rates
}

// quantiles returns quantiles of what a histogram counted between the readings in the wanted series.
func (d *delta) quantiles(name string, wanted func(labels) bool) Quantiles {
	buckets := scrape.Increases(d.before, d.after, name+"_bucket")
	buckets = slices.DeleteFunc(buckets, func(s *model.Sample) bool { return !wanted(labels(s.Metric)) })
	return Quantiles{quantile(0.5, buckets), quantile(0.95, buckets)}
}

func quantile(q float64, buckets model.Vector) *float64 {
	seconds, ok := scrape.Quantile(q, buckets)
	if !ok {
		return nil
	}
	if math.IsInf(seconds, 1) {
		seconds = lastBound(buckets)
	}
	ms := seconds * 1000
	return &ms
}

// lastBound returns the highest finite bound.
func lastBound(buckets model.Vector) (last float64) {
	for _, b := range buckets {
		if bound, err := strconv.ParseFloat(string(b.Metric[model.BucketLabel]), 64); err == nil && !math.IsInf(bound, 1) {
			last = max(last, bound)
		}
	}
	return last
}

// gauge returns the latest value of the series with a label's value; nil if it was never set.
func (d *delta) gauge(name, label, value string) *float64 {
	for _, s := range scrape.Named(d.after, name) {
		if labels(s.Metric).get(label) == value {
			v := float64(s.Value)
			return &v
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
			Lag: d.quantiles(lag, func(l labels) bool { return l.get(labelProjection) == name }),
		})
	}
	return all
}

// values returns the values of a label in some metrics.
func (d *delta) values(label string, names ...string) []string {
	var values []string
	for _, name := range names {
		for _, s := range scrape.Named(d.after, name) {
			if value := labels(s.Metric).get(label); value != "" {
				values = append(values, value)
			}
		}
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// rebuilds returns the rebuilds that processed events between the readings.
func (d *delta) rebuilds() []Rebuild {
	all := []Rebuild{}
	for _, name := range d.values(labelProjection, folded) {
		r := Rebuild{Projection: name, PerSecond: map[string]float64{}}
		for _, s := range scrape.Increases(d.before, d.after, folded) {
			if l := labels(s.Metric); l.get(labelProjection) == name && s.Value > 0 {
				r.PerSecond[l.get(labelStep)] += float64(s.Value) / d.seconds
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
