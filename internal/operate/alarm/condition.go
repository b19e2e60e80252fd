// Package alarm is the table of all alarms: what each watches, its threshold, what it means for the
// canteen, and which runbook says what to do. infra/observability.yaml is generated from it, and a
// drill evaluates the same conditions with the metrics of an embedded server.
package alarm

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Class is how urgently an operator must react.
type Class string

// The classes, each with a topic of its own on AWS.
const (
	Critical Class = "Critical" // at once, even at night: outage or wrong data
	Warning  Class = "Warning"  // in working hours: load, space, slowness
	Info     Class = "Info"     // no action needed: routine work ended, settings changed
)

// Comparison compares a value with its threshold, in CloudWatch's terms.
type Comparison string

// The comparisons in use.
const (
	Above   Comparison = "GreaterThanThreshold"
	AtLeast Comparison = "GreaterThanOrEqualToThreshold"
	Below   Comparison = "LessThanThreshold"
)

// Missing says how a period without data counts, in CloudWatch's terms.
type Missing string

// The treatments in use.
const (
	NotBreaching Missing = "notBreaching"
	Breaching    Missing = "breaching"
)

// Condition is a condition that raises an alarm.
type Condition struct {
	Name    string // the alarm on AWS is called STACK-NAME
	Class   Class
	Meaning string // for the canteen, and what to check
	Runbook string // file in infra/runbooks

	Value        Value
	Compare      Comparison
	Threshold    float64
	AWSThreshold float64 // if it differs on AWS, for the reason in Why; 0 if not
	Period       time.Duration
	Periods      int // how many periods are evaluated
	Datapoints   int // how many of them must breach
	Missing      Missing
	Why          string // why missing data are treated so, and why the threshold differs on AWS

	Once  bool         // reports an occurrence: there is no OK afterwards
	AnyOf []string     // fires if one of these conditions does; it has no value of its own
	Part  bool         // part of another condition: it does not notify by itself
	Event EventPattern // fires on each such event on AWS; there is no value then
}

// Description returns the text of the alarm. It must be sufficient at three in the morning.
func (c *Condition) Description() string {
	return c.Meaning + " Runbook: infra/runbooks/" + c.Runbook
}

// OnAWS reports whether AWS can watch the condition.
func (c *Condition) OnAWS() bool {
	return c.Event.Source != "" || len(c.AnyOf) > 0 || len(c.Value.Terms) > 0 && c.Value.Terms[0].Metric.Name != ""
}

// Embedded reports whether the metrics of an embedded server show the condition.
func (c *Condition) Embedded() bool {
	return len(c.AnyOf) > 0 || len(c.Value.Terms) > 0 && c.Value.Terms[0].Series.Name != ""
}

// ThresholdOnAWS returns the threshold in AWS's units.
func (c *Condition) ThresholdOnAWS() float64 {
	if c.AWSThreshold != 0 {
		return c.AWSThreshold
	}
	return c.Threshold
}

// EventPattern selects events of EventBridge.
type EventPattern struct {
	Source, DetailType string
}

// Form says how a value is computed from its terms.
type Form int

// The forms.
const (
	Single  Form = iota // the only term
	Sum                 // of all terms; one without data is 0
	Share               // the other terms divided by the last
	Stalled             // 1 if the first term is 0 while the last is not, otherwise 0
)

// Value is the number that a condition watches.
type Value struct {
	Form  Form
	Terms []Term
}

// Term is a measurement on AWS and in an embedded server. All terms of a value may lack one of them.
type Term struct {
	ID     string // in the expression
	Metric Metric
	Series Series
}

// Metric is a metric of CloudWatch.
type Metric struct {
	Namespace  string
	Name       string
	Dimensions []Dimension
	Statistic  string // such as Sum or p95
}

// Dimension is a dimension of a metric. Its value may refer to a parameter of the template, ${Name}.
type Dimension struct{ Name, Value string }

// Series selects series of an embedded server's metrics, and says how to read a period of them.
type Series struct {
	Name     string                    // for Quantile without the suffix _bucket
	Where    map[string]*regexp.Regexp // labels
	Read     Read
	Quantile float64 // for Quantile
}

// Read says how a series becomes the value of a period.
type Read int

// The ways to read.
const (
	Increase Read = iota // of counters
	Last                 // the sum of the latest values of gauges
	Quantile             // of the values that histograms counted in the period
	Up                   // 1 if the server responded, otherwise 0
)

// Expression returns the metric math of a value with several terms.
func (v Value) Expression() string {
	last := len(v.Terms) - 1
	parts := make([]string, 0, len(v.Terms))
	for _, t := range v.Terms {
		parts = append(parts, "FILL("+t.ID+", 0)")
	}
	switch v.Form {
	case Share:
		return fmt.Sprintf("(%s) / %s", strings.Join(parts[:last], " + "), v.Terms[last].ID)
	case Stalled:
		return fmt.Sprintf("IF(%s > 0 AND %s == 0, 1, 0)", v.Terms[last].ID, parts[0])
	}
	return strings.Join(parts, " + ")
}
