// Command observability generates infra/observability.yaml from the alarms, the saved queries, and the
// dashboard's graphs in observability.yaml.tmpl: go run ./scripts/observability FILE.
package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"strings"
	"text/template"

	_ "gakushoku/internal/canteen" // its kinds of aggregates, each of which has a question
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/alarm"
	"gakushoku/internal/operate/logs"
)

//go:embed observability.yaml.tmpl
var text string

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: observability FILE")
		os.Exit(2)
	}
	generated, err := generate()
	if err == nil {
		err = os.WriteFile(os.Args[1], generated, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "observability:", err)
		os.Exit(1)
	}
}

// generate returns the CloudFormation template.
func generate() ([]byte, error) {
	board := &dashboard{}
	t, err := template.New("observability.yaml").Funcs(template.FuncMap{
		"classes": classes, "alarms": alarms, "events": events, "questions": logs.Questions, "functions": functions, "lower": lower,
		"id": id, "fold": fold, "indent": indent, "value": value, "rule": rule, "isSingle": isSingle, "isPercentile": isPercentile,
		"shown": shown, "slow": observe.Slow.Milliseconds, "mark": newMark, "right": right,
		"ours": ours, "function": ofFunction, "api": ofAPI, "aws": newLine, "graph": board.graph,
	}).Parse(text)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, nil); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// class is a class of alarms, which has its own topic.
type class struct {
	Class alarm.Class
	When  string // how urgently an operator must react
}

func lower(c alarm.Class) string { return strings.ToLower(string(c)) }

func classes() []class {
	return []class{{alarm.Critical, "now, at night too"}, {alarm.Warning, "in working hours"}, {alarm.Info, "nothing to do"}}
}

// functions are the Lambda functions, as the template's parameters name them.
func functions() []string {
	return []string{"Command", "Query", "Health", "Projector", "Archiver", "Reproject", "Process"}
}

// alarms returns the conditions that CloudWatch evaluates.
func alarms() []alarm.Condition { return conditions(false) }

// events returns the conditions that EventBridge reports.
func events() []alarm.Condition { return conditions(true) }

func conditions(event bool) (found []alarm.Condition) {
	for _, c := range alarm.All() {
		if c.OnAWS() && event == (c.Event.Source != "") {
			found = append(found, c)
		}
	}
	return found
}

func isSingle(v alarm.Value) bool { return v.Form == alarm.Single }

func isPercentile(statistic string) bool { return strings.HasPrefix(statistic, "p") }

// rule returns the expression of a composite alarm.
func rule(names []string) string {
	var parts []string
	for _, name := range names {
		if part, _ := alarm.Find(name); part.OnAWS() {
			parts = append(parts, fmt.Sprintf(`ALARM("${%s}")`, id(name)))
		}
	}
	return strings.Join(parts, " OR ")
}

// shown lists the alarms on the dashboard, without those that are parts of others.
func shown() string {
	var arns []string
	for _, c := range alarms() {
		if !c.Part {
			arns = append(arns, fmt.Sprintf(`"${%s.Arn}"`, id(c.Name)))
		}
	}
	return strings.Join(arns, ",\n            ")
}
