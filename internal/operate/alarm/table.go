package alarm

import (
	"regexp"
	"slices"
	"time"

	"gakushoku/internal/observe/telemetry/emf"
)

// All returns all conditions, those of guests first. The caller may modify the slice.
func All() []Condition {
	return slices.Concat(guests(), processes(), readModels(), log(), kept(), platform())
}

// Find returns a condition by its name.
func Find(name string) (Condition, bool) {
	all := All()
	i := slices.IndexFunc(all, func(c Condition) bool { return c.Name == name })
	if i < 0 {
		return Condition{}, false
	}
	return all[i], true
}

// Namespace is the namespace of the functions' metrics, one per stack.
const Namespace = "gakushoku/${Stack}"

// The namespaces of AWS's own metrics.
const (
	lambda     = "AWS/Lambda"
	dynamoDB   = "AWS/DynamoDB"
	apiGateway = "AWS/ApiGateway"
	states     = "AWS/States"
)

// The statistics.
const (
	sum     = "Sum"
	maximum = "Maximum"
	count   = "SampleCount"
	p95     = "p95"
)

const quiet = "no data means that there were no requests, as at night"

// ours returns a metric of this system. The service is always a dimension.
func ours(name, statistic string, dimensions ...Dimension) Metric {
	return Metric{Namespace, name, append([]Dimension{{emf.Service, "gakushoku"}}, dimensions...), statistic}
}

func ofAPI(name, statistic string) Metric {
	return Metric{apiGateway, name, []Dimension{{"ApiName", "${Stack}"}, {"Stage", "${Stage}"}}, statistic}
}

func ofFunction(function, name, statistic string) Metric {
	return Metric{lambda, name, []Dimension{{"FunctionName", "${" + function + "}"}}, statistic}
}

func grown(series string) Series { return Series{Name: series} }

func grownWhere(series, label, pattern string) Series {
	return Series{Name: series, Where: where(label, pattern)}
}

func p95Of(series string) Series { return Series{Name: series, Read: Quantile, Quantile: 0.95} }

func where(label, pattern string) map[string]*regexp.Regexp {
	return map[string]*regexp.Regexp{label: regexp.MustCompile("^(?:" + pattern + ")$")}
}

// late returns the condition that a reader of the stream is behind. Lambda measures this when it reads, so
// there are no data if the reader does not run at all: other conditions detect a reader that makes no
// progress.
func late(name string, class Class, function string, than time.Duration, runbook, meaning string) Condition {
	return Condition{
		Name: name, Class: class, Meaning: meaning, Runbook: runbook,
		Value:   Value{Single, []Term{{ID: "age", Metric: ofFunction(function, "IteratorAge", maximum)}}},
		Compare: Above, Threshold: float64(than.Milliseconds()), Period: time.Minute, Periods: 3, Datapoints: 3,
		Missing: NotBreaching, Why: "no data means that the stream has nothing to read",
	}
}

// undelivered returns the condition that undeliverable records were written to the failure bucket.
func undelivered(name, mapping, runbook, meaning string) Condition {
	return Condition{
		Name: name, Class: Critical, Once: true, Meaning: meaning, Runbook: runbook,
		Value: Value{Single, []Term{{ID: "records", Metric: Metric{lambda, "OnFailureDestinationDeliveredEventCount",
			[]Dimension{{"EventSourceMappingUUID", "${" + mapping + "}"}}, sum}}}},
		Compare: Above, Threshold: 0, Period: time.Minute, Periods: 1, Datapoints: 1,
		Missing: NotBreaching, Why: "no data means that nothing was given up",
	}
}
