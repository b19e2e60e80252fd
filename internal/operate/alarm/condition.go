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

// Class is how soon somebody has to look.
type Class string

// The classes, each with a topic of its own on AWS.
const (
	Critical Class = "Critical" // now, at night too: it is down, or data are wrong
	Warning  Class = "Warning"  // in working hours: load, space, slowness
	Info     Class = "Info"     // nothing to do: routine work is done, settings were changed
)

// Comparison is how a value is held against its threshold, in CloudWatch's words.
type Comparison string

// The comparisons that are used.
const (
	Above   Comparison = "GreaterThanThreshold"
	AtLeast Comparison = "GreaterThanOrEqualToThreshold"
	Below   Comparison = "LessThanThreshold"
)

// Missing is what a period without data counts as, in CloudWatch's words.
type Missing string

// The treatments that are used.
const (
	NotBreaching Missing = "notBreaching"
	Breaching    Missing = "breaching"
)

// Condition is something that somebody is told of.
type Condition struct {
	Name    string // the alarm's on AWS is STACK-NAME
	Class   Class
	Meaning string // for the canteen, and what to look at
	Runbook string // file in infra/runbooks

	Value        Value
	Compare      Comparison
	Threshold    float64
	AWSThreshold float64 // when it is another one there, for the reason in Why; 0 for the same
	Period       time.Duration
	Periods      int // how many periods are looked at
	Datapoints   int // in how many of them it has to be too much
	Missing      Missing
	Why          string // why missing data count so; why the threshold is another one on AWS

	Once  bool         // tells of what has happened: that it happens no more is no news
	AnyOf []string     // fires when one of these conditions does; there is no value then
	Part  bool         // of another condition: it tells nobody by itself
	Event EventPattern // fires for each such event on AWS; there is no value then
}

// Description is what the alarm says: it has to be enough at three in the morning.
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

// ThresholdOnAWS is the threshold in the units that AWS measures in.
func (c *Condition) ThresholdOnAWS() float64 {
	if c.AWSThreshold != 0 {
		return c.AWSThreshold
	}
	return c.Threshold
}

// EventPattern is what EventBridge looks for.
type EventPattern struct {
	Source, DetailType string
}

// Form is how a value is made of its terms.
type Form int

// The forms.
const (
	Single  Form = iota // the one term
	Sum                 // all terms; one without data is 0
	Share               // the terms before the last, of the last
	Stalled             // 1 when the first term stands still while the last one moves, or else 0
)

// Value is the number that a condition watches.
type Value struct {
	Form  Form
	Terms []Term
}

// Term is one thing that is measured, on AWS and embedded. Either may be missing in all terms of a
// value.
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

// Dimension is a dimension of a metric. Its value may name a parameter of the template, ${Name}.
type Dimension struct{ Name, Value string }

// Series is a series of an embedded server's metrics, and how a period of it is read.
type Series struct {
	Name     string                    // without the ending of a histogram's series
	Where    map[string]*regexp.Regexp // labels
	Read     Read
	Quantile float64 // for Quantile
}

// Read is how a series becomes the number of a period.
type Read int

// The ways to read.
const (
	Increase Read = iota // by how much counters grew
	Last                 // the sum of what gauges said last
	Quantile             // of what histograms counted in the period
	Up                   // 1 when the server answered, 0 when not
)

// Expression is the metric math of a value with more than one term.
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
