package alarm

import "time"

// platform are the conditions of what the canteen runs on.
func platform() []Condition {
	return []Condition{
		{
			Name: "store-throttled", Class: Warning, Runbook: "store-throttled.md",
			Meaning: "DynamoDB refuses some reads or writes of the event table or the control table for the moment. Each is tried again, so guests wait, and in the end are asked to try again.",
			Value: Value{Sum, []Term{
				throttled("eventReads", "EventTable", "ReadThrottleEvents"), throttled("eventWrites", "EventTable", "WriteThrottleEvents"),
				throttled("controlReads", "ControlTable", "ReadThrottleEvents"), throttled("controlWrites", "ControlTable", "WriteThrottleEvents"),
			}},
			Compare: Above, Threshold: 0, Period: time.Minute, Periods: 5, Datapoints: 3,
			Missing: NotBreaching, Why: "no data means that nothing was refused",
		},
		{
			Name: "functions-throttled", Class: Warning, Runbook: "commands-failing.md",
			Meaning: "Lambda refuses to run functions for guests, since the account runs as many at once as it may: some guests get errors.",
			Value: Value{Sum, []Term{
				{ID: "command", Metric: ofFunction("CommandFunction", "Throttles", sum)},
				{ID: "query", Metric: ofFunction("QueryFunction", "Throttles", sum)},
			}},
			Compare: Above, Threshold: 0, Period: time.Minute, Periods: 5, Datapoints: 3,
			Missing: NotBreaching, Why: "no data means that nothing was run, or refused",
		},
		{
			Name: "cold-starts", Class: Info, Once: true, Runbook: "bad-deployment.md",
			Meaning: "Many processes of functions were started: after a deployment, or when lunch begins. Their first guests wait longer.",
			Value:   Value{Single, []Term{{ID: "cold", Metric: ours("gakushoku.function.cold_start", sum)}}},
			Compare: Above, Threshold: 50, Period: 5 * time.Minute, Periods: 1, Datapoints: 1,
			Missing: NotBreaching, Why: "no data means that no process was started",
		},
		{
			Name: "settings-changed", Class: Info, Once: true, Runbook: "bad-deployment.md",
			Meaning: "The stack was deployed, or its settings were changed.",
			Event:   EventPattern{Source: "aws.cloudformation", DetailType: "CloudFormation Stack Status Change"},
		},
	}
}

func throttled(id, table, metric string) Term {
	return Term{ID: id, Metric: Metric{dynamoDB, metric, []Dimension{{"TableName", "${" + table + "}"}}, sum}}
}
