package alarm

import (
	"time"

	"gakushoku/internal/observe"
	"gakushoku/internal/observe/telemetry/emf"
)

// checkout is the name of the process.
const checkout = "checkout"

// processes returns the conditions of checkout, which takes an order from being placed to being sold.
func processes() []Condition {
	ofCheckout := Dimension{emf.Process, checkout}
	runs := func(id, outcome string) Term {
		return Term{
			ID: id, Metric: ours(observe.MetricRuns, sum, ofCheckout, Dimension{emf.Result, outcome}),
			Series: grownWhere("gakushoku_process_runs_total", "gakushoku_result", outcome),
		}
	}
	return []Condition{
		{
			Name: "process-stuck", Class: Critical, Runbook: "stuck-process.md",
			Meaning: "Some orders are stuck between two steps of checkout: their guests may have paid and get nothing, or wait for their money. Other orders are not affected.",
			Value: Value{Single, []Term{{
				ID: "stuck", Metric: ours(observe.MetricStuck, maximum, ofCheckout),
				Series: Series{Name: "gakushoku_process_stuck", Read: Last},
			}}},
			Compare: Above, Threshold: 0, Period: 5 * time.Minute, Periods: 1, Datapoints: 1,
			Missing: NotBreaching, Why: "workers count them at least each minute; that they have not run is another condition",
		},
		{
			Name: "process-overdue", Class: Critical, Runbook: "stuck-process.md",
			Meaning: "A step of a checkout has been due for 10 minutes: orders do not go on, unpaid ones keep their portions, money does not come back.",
			Value: Value{Single, []Term{{
				ID: "overdue", Metric: ours(observe.MetricOverdue, maximum, ofCheckout),
				Series: Series{Name: "gakushoku_process_overdue", Read: Last},
			}}},
			Compare: Above, Threshold: 600, Period: 5 * time.Minute, Periods: 2, Datapoints: 2,
			Missing: NotBreaching, Why: "workers look at least each minute, also when nothing is due; that they do not run is another condition",
		},
		{
			Name: "process-failing", Class: Critical, Runbook: "stuck-process.md",
			Meaning: "The process function fails when its schedule runs it: deadlines pass unnoticed, and what a request has not finished stays so. The failed invocations are in the queue ProcessScheduleFailures.",
			Value:   Value{Single, []Term{{ID: "failed", Metric: ofFunction("ProcessFunction", "Errors", sum)}}},
			Compare: Above, Threshold: 0, Period: time.Minute, Periods: 5, Datapoints: 3,
			Missing: NotBreaching, Why: "no data means that it did not run or did not fail",
		},
		{
			Name: "process-needs-people", Class: Warning, Runbook: "stuck-process.md",
			Meaning: "More than one checkout in a hundred got stuck within the hour and needs a person.",
			Value:   Value{Share, []Term{runs("stuck", observe.RunStuck), runs("started", observe.RunStarted)}},
			Compare: Above, Threshold: 0.01, Period: time.Hour, Periods: 1, Datapoints: 1,
			Missing: NotBreaching, Why: quiet,
		},
	}
}
