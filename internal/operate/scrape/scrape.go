// Package scrape reads the metrics of a running server and compares two readings of them.
package scrape

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Parse reads Prometheus' text format. Without an error the result is never nil.
func Parse(text io.Reader) (model.Vector, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return nil, fmt.Errorf("parsing metrics: %w", err)
	}
	samples, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{}, slices.Collect(maps.Values(families))...)
	if err != nil {
		return nil, fmt.Errorf("reading metrics: %w", err)
	}
	return append(model.Vector{}, samples...), nil
}

// Named returns the samples with a name.
func Named(samples model.Vector, name string) model.Vector {
	var found model.Vector
	for _, s := range samples {
		if string(s.Metric[model.MetricNameLabel]) == name {
			found = append(found, s)
		}
	}
	return found
}

// Increases returns how much each series of a counter increased between two readings. A series missing in the
// first reading started at 0. A series that decreased was reset by a restart of the process.
func Increases(before, after model.Vector, name string) model.Vector {
	was := map[model.Fingerprint]model.SampleValue{}
	for _, s := range Named(before, name) {
		was[s.Metric.Fingerprint()] = s.Value
	}
	var increases model.Vector
	for _, s := range Named(after, name) {
		increase := *s
		if earlier := was[s.Metric.Fingerprint()]; earlier <= s.Value {
			increase.Value -= earlier
		}
		increases = append(increases, &increase)
	}
	return increases
}
