package emf

import (
	"slices"

	"go.opentelemetry.io/otel/attribute"

	"gakushoku/internal/observe"
)

// The dimensions. What log lines say too is called by the name of their field.
const (
	Service    = observe.FieldService
	Function   = observe.FieldFunction
	Command    = observe.FieldCommandName
	Result     = observe.FieldResult
	ErrorClass = observe.FieldErrorClass
	Projection = observe.FieldProjection
	Method     = "method"
	Route      = "route"
	Step       = "step"
	Cached     = "cached"
)

// Dimensions says under which sets of dimensions each metric is published: an alarm or a graph
// has to name one of these sets exactly. Each set of values is a metric to pay for, so all have
// few: routes of the contract, commands, projections, classes of errors. A metric that is not
// here is not published. A set is left out of a measurement that has no value for one of it; so
// errorClass has what failed only.
var Dimensions = map[string][][]string{
	observe.MetricRequests:   {{Service}, {Service, Function}, {Service, Method, Route}, {Service, ErrorClass}},
	observe.MetricCommands:   {{Service}, {Service, Command}, {Service, Result}, {Service, ErrorClass}},
	observe.MetricConflicts:  {{Service}, {Service, Command}},
	observe.MetricRetries:    {{Service}, {Service, Command}},
	observe.MetricRepeats:    {{Service}, {Service, Command}},
	observe.MetricAppended:   {{Service}},
	observe.MetricTouched:    {{Service}, {Service, Result}},
	observe.MetricLag:        {{Service}, {Service, Projection}},
	observe.MetricDelivered:  {{Service}, {Service, Result}, {Service, Projection, Result}},
	observe.MetricHeals:      {{Service}, {Service, Projection}},
	observe.MetricParked:     {{Service, Projection}},
	observe.MetricLogHead:    {{Service}},
	observe.MetricLogLag:     {{Service}},
	observe.MetricPointers:   {{Service}, {Service, Cached}},
	observe.MetricPlanned:    {{Service, Projection}},
	observe.MetricFolded:     {{Service, Projection}, {Service, Projection, Step}},
	observe.MetricVerified:   {{Service, Result}, {Service, Projection, Result}},
	observe.MetricColdStarts: {{Service}, {Service, Function}},
	observe.MetricCPU:        {{Service, Function}},
	observe.MetricMemory:     {{Service, Function}},
	observe.MetricDisk:       {{Service, Function}},
}

// dimensionOf are the dimensions by the attributes that their values come from.
var dimensionOf = map[attribute.Key]string{
	"http.request.method":  Method,
	"http.route":           Route,
	observe.AttrCommand:    Command,
	observe.AttrResult:     Result,
	observe.AttrErrorClass: ErrorClass,
	observe.AttrProjection: Projection,
	observe.AttrStep:       Step,
	observe.AttrCached:     Cached,
}

// noValue stands for an empty text, which is no value of a dimension.
const noValue = "none"

// maxDimension is the most characters that CloudWatch takes as a value.
const maxDimension = 1024

// place is what a measurement is published under: the values that it brings, and the sets whose
// values are all there.
func place(name string, set attribute.Set) (values map[string]string, sets [][]string) {
	all := map[string]string{}
	for _, a := range set.ToSlice() {
		if dimension, ok := dimensionOf[a.Key]; ok {
			all[dimension] = valueOf(a.Value)
		}
	}
	values = map[string]string{}
	for _, names := range Dimensions[name] {
		missing := func(dimension string) bool {
			return dimension != Service && dimension != Function && all[dimension] == ""
		}
		if slices.ContainsFunc(names, missing) {
			continue
		}
		sets = append(sets, names)
		for _, dimension := range names {
			if v, ok := all[dimension]; ok {
				values[dimension] = v
			}
		}
	}
	return values, sets
}

func valueOf(v attribute.Value) string {
	s := v.String()
	if s == "" {
		return noValue
	}
	return s[:min(len(s), maxDimension)]
}

// unitOf is a unit of OpenTelemetry as CloudWatch calls it.
func unitOf(unit string) string {
	switch unit {
	case "s":
		return "Seconds"
	case "By":
		return "Bytes"
	case "1":
		return "None"
	}
	return "Count"
}
