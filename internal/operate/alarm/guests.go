package alarm

import (
	"fmt"
	"time"

	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
	"gakushoku/internal/observe/telemetry/emf"
)

// The names of series that several conditions read.
const (
	requests = "http_server_request_duration_seconds"
	commands = "gakushoku_command_duration_seconds"
)

// notByRules matches failures of commands other than refusals by the rules of the canteen.
const notByRules = string(fault.Infra + "|" + fault.Bug)

// guests returns the conditions that guests, the till and the kitchen notice immediately.
func guests() []Condition {
	failing := Value{Share, []Term{
		{ID: "failed", Metric: ofAPI("5XXError", sum), Series: grownWhere(requests+"_count", "http_response_status_code", "5..")},
		{ID: "requests", Metric: ofAPI("Count", sum), Series: grown(requests + "_count")},
	}}
	commandsFailing := Value{Share, []Term{
		{ID: "infra", Metric: ours(observe.MetricCommands, count, Dimension{emf.ErrorClass, string(fault.Infra)}), Series: grownWhere(commands+"_count", "error_type", notByRules)},
		{ID: "bug", Metric: ours(observe.MetricCommands, count, Dimension{emf.ErrorClass, string(fault.Bug)})}, // the series above has both
		{ID: "commands", Metric: ours(observe.MetricCommands, count), Series: grown(commands + "_count")},
	}}
	return []Condition{
		providerDown(),
		{
			Name: "canteen-down", Class: Critical, Runbook: "commands-failing.md",
			Meaning: "The canteen is down: more than half of all requests or of all commands fail, or the server does not respond.",
			AnyOf:   []string{"most-requests-fail", "most-commands-fail", "no-answer"},
		},
		{
			Name: "most-requests-fail", Class: Critical, Part: true, Runbook: "commands-failing.md",
			Meaning: "More than half of all requests fail.",
			Value:   failing, Compare: Above, Threshold: 0.5, Period: time.Minute, Periods: 2, Datapoints: 2,
			Missing: NotBreaching, Why: quiet,
		},
		{
			Name: "most-commands-fail", Class: Critical, Part: true, Runbook: "commands-failing.md",
			Meaning: "More than half of all commands fail: guests can neither order nor pay, although lists may be shown.",
			Value:   commandsFailing, Compare: Above, Threshold: 0.5, Period: time.Minute, Periods: 2, Datapoints: 2,
			Missing: NotBreaching, Why: quiet,
		},
		{
			Name: "no-answer", Class: Critical, Part: true, Runbook: "commands-failing.md",
			Meaning: "The server does not respond.",
			Value:   Value{Single, []Term{{ID: "up", Series: Series{Name: "up", Read: Up}}}},
			Compare: Below, Threshold: 1, Period: time.Minute, Periods: 2, Datapoints: 2,
			Missing: NotBreaching, Why: "no data means that there was no scrape",
		},
		{
			Name: "requests-failing", Class: Warning, Runbook: "bad-deployment.md",
			Meaning: "More than 0.1 % of the requests fail with a server error. Was something deployed?",
			Value:   failing, Compare: Above, Threshold: 0.001, Period: 5 * time.Minute, Periods: 3, Datapoints: 2,
			Missing: NotBreaching, Why: quiet,
		},
		{
			Name: "requests-slow", Class: Warning, Runbook: "bad-deployment.md",
			Meaning: fmt.Sprintf("One request in twenty takes longer than %d ms. Was something deployed? Are there cold starts, or does the store throttle?", observe.Slow.Milliseconds()),
			Value: Value{Single, []Term{{
				ID: "latency", Metric: ofAPI("Latency", p95), Series: p95Of(requests),
			}}},
			Compare: Above, Threshold: observe.Slow.Seconds(), AWSThreshold: float64(observe.Slow.Milliseconds()), Period: 5 * time.Minute, Periods: 3, Datapoints: 3,
			Missing: NotBreaching, Why: quiet + "; API Gateway measures in milliseconds",
		},
		{
			Name: "commands-failing", Class: Warning, Runbook: "commands-failing.md",
			Meaning: "Fewer than 99.9 % of the commands succeed, not counting refusals by the rules of the canteen. Guests are asked to try again.",
			Value:   commandsFailing, Compare: Above, Threshold: 0.001, Period: 5 * time.Minute, Periods: 3, Datapoints: 2,
			Missing: NotBreaching, Why: quiet,
		},
		{
			Name: "commands-conflict", Class: Warning, Runbook: "commands-failing.md",
			Meaning: "One command in ten loses a race for its order. Each is retried, so guests only wait; but a client sends many commands on the same order.",
			Value: Value{Share, []Term{
				{ID: "conflicts", Metric: ours(observe.MetricConflicts, sum), Series: grown("gakushoku_command_conflicts_total")},
				{ID: "commands", Metric: ours(observe.MetricCommands, count), Series: grown(commands + "_count")},
			}},
			Compare: Above, Threshold: 0.1, Period: 5 * time.Minute, Periods: 3, Datapoints: 3,
			Missing: NotBreaching, Why: quiet,
		},
	}
}
