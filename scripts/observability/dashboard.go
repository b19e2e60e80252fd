package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"gakushoku/internal/observe/telemetry/emf"
	"gakushoku/internal/operate/alarm"
)

// dashboard places graphs from left to right, three in a row.
type dashboard struct{ graphs int }

// The dashboard's grid: 24 columns, with the alarms above the graphs.
const (
	graphWidth  = 8
	graphHeight = 6
	graphsInRow = 24 / graphWidth
	firstGraph  = 4
)

// line is a metric in a graph, as CloudWatch reads it: namespace, name, dimensions with their
// values, and options.
type line []any

// options are the options of a line.
type options struct {
	Stat  string `json:"stat"`
	Label string `json:"label,omitempty"`
	YAxis string `json:"yAxis,omitempty"`
}

// newLine returns the line of a metric. dimensions alternates names and values.
func newLine(namespace, name, stat, label string, dimensions ...string) line {
	l := line{namespace, name}
	for _, d := range dimensions {
		l = append(l, d)
	}
	return append(l, options{Stat: stat, Label: label})
}

// ours returns the line of a metric that the functions publish, if they publish it under these dimensions.
func ours(name, stat, label string, dimensions ...string) (line, error) {
	dimensions = append([]string{emf.Service, "gakushoku"}, dimensions...)
	var names []string
	for i := 0; i < len(dimensions); i += 2 {
		names = append(names, dimensions[i])
	}
	published := func(set []string) bool { return slices.Equal(set, names) }
	if sets := emf.Dimensions[name]; !slices.ContainsFunc(sets, published) {
		return nil, fmt.Errorf("%s is published under %v, not under %v: its graph would stay empty", name, sets, names)
	}
	return newLine(alarm.Namespace, name, stat, label, dimensions...), nil
}

func ofFunction(function, name, stat, label string) line {
	return newLine("AWS/Lambda", name, stat, label, "FunctionName", "${"+function+"Function}")
}

func ofAPI(name, stat, label string) line {
	return newLine("AWS/ApiGateway", name, stat, label, "ApiName", "${Stack}", "Stage", "${Stage}")
}

// right moves a line to the right axis.
func right(l line) line {
	o := l[len(l)-1].(options)
	o.YAxis = "right"
	return append(l[:len(l)-1:len(l)-1], o)
}

// mark is a horizontal line at a value.
type mark struct {
	Value any    `json:"value"`
	Label string `json:"label"`
}

func newMark(value any, label string) mark { return mark{value, label} }

// graph returns the next graph. parts are its lines and marks.
func (d *dashboard) graph(title string, parts ...any) (string, error) {
	var lines []string
	var marks []mark
	for _, part := range parts {
		if m, ok := part.(mark); ok {
			marks = append(marks, m)
			continue
		}
		encoded, err := json.Marshal(part)
		if err != nil {
			return "", err
		}
		lines = append(lines, string(encoded))
	}
	marked, err := json.Marshal(map[string]any{"horizontal": marks})
	if err != nil {
		return "", err
	}
	annotations := ""
	if marks != nil {
		annotations = `, "annotations": ` + string(marked)
	}
	x, y := d.graphs%graphsInRow*graphWidth, firstGraph+d.graphs/graphsInRow*graphHeight
	d.graphs++
	return fmt.Sprintf(`,
          {"type": "metric", "x": %d, "y": %d, "width": %d, "height": %d, "properties": {"title": %q,
            "region": "${AWS::Region}", "view": "timeSeries", "period": 60, "yAxis": {"left": {"min": 0}}%s, "metrics": [
            %s
          ]}}`, x, y, graphWidth, graphHeight, title, annotations, strings.Join(lines, ",\n            ")), nil
}
