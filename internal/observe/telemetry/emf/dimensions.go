package emf

import (
	"slices"

	"go.opentelemetry.io/otel/attribute"

	"gakushoku/internal/observe"
)

// The dimensions. They have the names of log fields where there is one.
const (
	Service    = observe.FieldService
	Function   = observe.FieldFunction
	Command    = observe.FieldCommandName
	Result     = observe.FieldResult
	ErrorClass = observe.FieldErrorClass
	Projection = observe.FieldProjection
	Process    = observe.FieldProcess
	Method     = "method"
	Route      = "route"
	Step       = "step"
	Cached     = "cached"
	System     = "system" // one of others
	Call       = "call"
)

// Dimensions lists the sets of dimensions under which each metric is published. An alarm or a graph must
// name one of these sets exactly. AWS charges for each combination of values, so every dimension has
// few: routes of the contract, commands, projections, classes of errors. Metrics that are not listed are
// not published. A measurement without a value for one dimension of a set is not published under that
// set, so sets with errorClass contain failures only.
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
	observe.MetricParked:     {{Service}, {Service, Projection}},
	observe.MetricSteps:      {{Service, Process}, {Service, Process, Step, Result}},
	observe.MetricRuns:       {{Service, Process, Result}},
	observe.MetricStuck:      {{Service, Process}},
	observe.MetricOverdue:    {{Service, Process}},
	observe.MetricLogHead:    {{Service}},
	observe.MetricLogLag:     {{Service}},
	observe.MetricAudit:      {{Service}},
	observe.MetricBackup:     {{Service}},
	observe.MetricRehearsed:  {{Service}},
	observe.MetricPointers:   {{Service}, {Service, Cached}},
	observe.MetricPlanned:    {{Service}, {Service, Projection}},
	observe.MetricFolded:     {{Service}, {Service, Projection}, {Service, Projection, Step}},
	observe.MetricVerified:   {{Service, Result}, {Service, Projection, Result}},
	observe.MetricColdStarts: {{Service}, {Service, Function}},
	observe.MetricCalls:      {{Service, System}, {Service, System, Call}, {Service, System, ErrorClass}},
	observe.MetricCPU:        {{Service, Function}},
	observe.MetricMemory:     {{Service, Function}},
	observe.MetricDisk:       {{Service, Function}},
}

// dimensionOf maps attributes to the dimensions that take their values.
var dimensionOf = map[attribute.Key]string{
	"http.request.method":  Method,
	"http.route":           Route,
	observe.AttrCommand:    Command,
	observe.AttrResult:     Result,
	observe.AttrErrorClass: ErrorClass,
	observe.AttrProjection: Projection,
	observe.AttrProcess:    Process,
	observe.AttrStep:       Step,
	observe.AttrCached:     Cached,
	observe.AttrSystem:     System,
	observe.AttrCall:       Call,
}

// noValue replaces an empty text, which CloudWatch rejects.
const noValue = "none"

// maxDimension is the maximum length of a value in CloudWatch.
const maxDimension = 1024

// place returns the sets under which a measurement is published, and the values of their dimensions.
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

// unitOf returns CloudWatch's name of an OpenTelemetry unit.
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
