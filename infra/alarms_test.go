package infra_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/operate/alarm"
)

const observability = "observability.yaml"

// An alarm is what CloudFormation calls it, so that a difference can be read.
type properties = map[string]any

func TestTheAlarmsAreThoseOfTheTable(t *testing.T) {
	t.Parallel()
	all := resources(t, observability)
	want, got := map[string]properties{}, map[string]properties{}
	for _, c := range alarm.All() {
		if c.OnAWS() && c.Event.Source == "" {
			want[idOf(c.Name)] = wanted(c)
		}
	}
	for _, kind := range []string{"AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"} {
		for _, r := range ofType(all, kind) {
			got[r.ID] = r.Properties
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("internal/operate/alarm (-) and infra/observability.yaml (+) differ:\n" + diff)
	}
}

// idOf is the name of the resource of a condition.
func idOf(name string) string {
	id := ""
	for part := range strings.SplitSeq(name, "-") {
		id += strings.ToUpper(part[:1]) + part[1:]
	}
	return id
}

func wanted(c alarm.Condition) properties {
	p := properties{"AlarmName": "${Stack}-" + c.Name, "AlarmDescription": c.Description()}
	if !c.Part {
		topic := []any{"${" + string(c.Class) + "Topic}"}
		p["AlarmActions"] = topic
		if !c.Once {
			p["OKActions"] = topic
		}
	}
	if len(c.AnyOf) > 0 {
		var rule []string
		for _, name := range c.AnyOf {
			if part, _ := alarm.Find(name); part.OnAWS() {
				rule = append(rule, fmt.Sprintf(`ALARM("${%s}")`, idOf(name)))
			}
		}
		p["AlarmRule"] = strings.Join(rule, " OR ")
		return p
	}
	p["ComparisonOperator"], p["Threshold"] = string(c.Compare), c.ThresholdOnAWS()
	p["EvaluationPeriods"], p["DatapointsToAlarm"] = float64(c.Periods), float64(c.Datapoints)
	p["TreatMissingData"] = string(c.Missing)
	if c.Value.Form == alarm.Single {
		m := c.Value.Terms[0].Metric
		p["Namespace"], p["MetricName"], p["Dimensions"] = m.Namespace, m.Name, dimensions(m)
		p["Period"] = c.Period.Seconds()
		if strings.HasPrefix(m.Statistic, "p") {
			p["ExtendedStatistic"] = m.Statistic
		} else {
			p["Statistic"] = m.Statistic
		}
		return p
	}
	metrics := []any{properties{"Id": "value", "Expression": c.Value.Expression()}}
	for _, term := range c.Value.Terms {
		metrics = append(metrics, properties{"Id": term.ID, "ReturnData": "false", "MetricStat": properties{
			"Period": c.Period.Seconds(), "Stat": term.Metric.Statistic,
			"Metric": properties{"Namespace": term.Metric.Namespace, "MetricName": term.Metric.Name, "Dimensions": dimensions(term.Metric)},
		}})
	}
	p["Metrics"] = metrics
	return p
}

func dimensions(m alarm.Metric) []any {
	var all []any
	for _, d := range m.Dimensions {
		all = append(all, properties{"Name": d.Name, "Value": d.Value})
	}
	return all
}

func TestTheEventsAreThoseOfTheTable(t *testing.T) {
	t.Parallel()
	want, got := map[string]properties{}, map[string]properties{}
	for _, c := range alarm.All() {
		if c.Event.Source != "" {
			want[idOf(c.Name)] = properties{
				"name": "${Stack}-" + c.Name, "description": c.Description(), "topic": "${" + string(c.Class) + "Topic}",
				"source": []any{c.Event.Source}, "detail-type": []any{c.Event.DetailType},
			}
		}
	}
	for _, r := range ofType(resources(t, observability), "AWS::Events::Rule") {
		pattern, _ := r.Properties["EventPattern"].(properties)
		targets, _ := r.Properties["Targets"].([]any)
		if len(targets) != 1 {
			t.Fatalf("%s has %d targets", r.ID, len(targets))
		}
		target, _ := targets[0].(properties)
		message, _ := target["InputTransformer"].(properties)
		description, _ := r.Properties["Description"].(string)
		if said, _ := message["InputTemplate"].(string); !strings.Contains(said, description) {
			t.Errorf("%s says %s, which does not end with %s", r.ID, said, description)
		}
		got[r.ID] = properties{
			"name": r.Properties["Name"], "description": description, "topic": target["Arn"],
			"source": pattern["source"], "detail-type": pattern["detail-type"],
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("internal/operate/alarm (-) and infra/observability.yaml (+) differ:\n" + diff)
	}
}
