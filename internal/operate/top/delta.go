package top

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"gakushoku/internal/observe/telemetry/promtext"
)

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
