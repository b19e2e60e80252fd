package alarm

import (
	"time"

	"gakushoku/internal/observe"
	"gakushoku/internal/observe/telemetry/emf"
)

// platform returns the conditions of the infrastructure.
func platform() []Condition {
	return []Condition{
		used("processors-busy", "store-throttled.md", "The processors of the server's machine are more than 80 % in use: everything gets slow, above all at lunch.",
			0.8, Term{ID: "used", Series: Series{Name: "system_cpu_utilization_ratio", Read: Last}}),
		used("memory-short", "store-throttled.md", "More than 90 % of the memory is in use (on AWS, that of the reproject function): the process may be killed.",
			0.9, Term{ID: "used", Metric: ours(observe.MetricMemory, maximum, Dimension{emf.Function, "reproject"}), Series: Series{Name: "system_memory_utilization_ratio", Read: Last}}),
		used("disk-filling", "commands-failing.md", "More than 85 % of the disk of the data folder is in use. Once it is full, guests cannot order.",
			0.85, Term{ID: "used", Series: Series{Name: "system_filesystem_utilization_ratio", Read: Last}}),
		{
			Name: "store-throttled", Class: Warning, Runbook: "store-throttled.md",
			Meaning: "DynamoDB throttles reads or writes of the event table or the control table. Each is retried, so guests wait, and in the end are asked to try again.",
			Value: Value{Sum, []Term{
				throttled("eventReads", "EventTable", "ReadThrottleEvents"), throttled("eventWrites", "EventTable", "WriteThrottleEvents"),
				throttled("controlReads", "ControlTable", "ReadThrottleEvents"), throttled("controlWrites", "ControlTable", "WriteThrottleEvents"),
			}},
			Compare: Above, Threshold: 0, Period: time.Minute, Periods: 5, Datapoints: 3,
			Missing: NotBreaching, Why: "no data means that nothing was throttled",
		},
		{
			Name: "functions-throttled", Class: Warning, Runbook: "commands-failing.md",
			Meaning: "Lambda throttles functions for guests, since the account has reached its limit of concurrent executions: some guests get errors.",
			Value: Value{Sum, []Term{
				{ID: "command", Metric: ofFunction("CommandFunction", "Throttles", sum)},
				{ID: "query", Metric: ofFunction("QueryFunction", "Throttles", sum)},
			}},
			Compare: Above, Threshold: 0, Period: time.Minute, Periods: 5, Datapoints: 3,
			Missing: NotBreaching, Why: "no data means that nothing ran or was throttled",
		},
		{
			Name: "health-not-checked", Class: Warning, Runbook: "store-throttled.md",
			Meaning: "The health function fails when its schedule runs it, so parked streams are not counted. The failed invocations are in the queue HealthScheduleFailures.",
			Value:   Value{Single, []Term{{ID: "failed", Metric: ofFunction("HealthFunction", "Errors", sum)}}},
			Compare: Above, Threshold: 0, Period: time.Minute, Periods: 5, Datapoints: 3,
			Missing: NotBreaching, Why: "no data means that it did not run or did not fail",
		},
		{
			Name: "cold-starts", Class: Info, Once: true, Runbook: "bad-deployment.md",
			Meaning: "Many functions had a cold start: after a deployment, or when lunch begins. Their first guests wait longer.",
			Value:   Value{Single, []Term{{ID: "cold", Metric: ours(observe.MetricColdStarts, sum)}}},
			Compare: Above, Threshold: 50, Period: 5 * time.Minute, Periods: 1, Datapoints: 1,
			Missing: NotBreaching, Why: "no data means that there was no cold start",
		},
		{
			Name: "settings-changed", Class: Info, Once: true, Runbook: "bad-deployment.md",
			Meaning: "The stack was deployed, or its settings changed.",
			Event:   EventPattern{Source: "aws.cloudformation", DetailType: "CloudFormation Stack Status Change"},
		},
	}
}

// used returns the condition that too much of a machine's resource is in use.
func used(name, runbook, meaning string, part float64, term Term) Condition {
	return Condition{
		Name: name, Class: Warning, Meaning: meaning, Runbook: runbook,
		Value: Value{Single, []Term{term}}, Compare: Above, Threshold: part, Period: time.Minute, Periods: 5, Datapoints: 5,
		Missing: NotBreaching, Why: "no data means that nothing runs there",
	}
}

func throttled(id, table, metric string) Term {
	return Term{ID: id, Metric: Metric{dynamoDB, metric, []Dimension{{"TableName", "${" + table + "}"}}, sum}}
}
