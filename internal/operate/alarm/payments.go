package alarm

import (
	"regexp"
	"time"

	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
	"gakushoku/internal/observe/telemetry/emf"
)

// providerDown is the condition of the payment provider.
func providerDown() Condition {
	const calls = "gakushoku_outside_duration_seconds_count"
	payment, failed := regexp.MustCompile("^payment$"), regexp.MustCompile("^("+notByRules+")$")
	ofPayment := Dimension{emf.System, "payment"}
	return Condition{
		Name: "payment-provider-down", Class: Critical, Runbook: "payment-provider-down.md",
		Meaning: "More than half of the calls of the payment provider fail: guests who pay by card do not learn whether they have paid. Cash works.",
		Value: Value{Share, []Term{
			{
				ID: "failed", Metric: ours(observe.MetricCalls, count, ofPayment, Dimension{emf.ErrorClass, string(fault.Infra)}),
				Series: Series{Name: calls, Where: map[string]*regexp.Regexp{"gakushoku_system": payment, "error_type": failed}},
			},
			{ID: "calls", Metric: ours(observe.MetricCalls, count, ofPayment), Series: Series{Name: calls, Where: map[string]*regexp.Regexp{"gakushoku_system": payment}}},
		}},
		Compare: Above, Threshold: 0.5, Period: time.Minute, Periods: 3, Datapoints: 2,
		Missing: NotBreaching, Why: "no data means that nobody paid by card, or that there is no provider",
	}
}
