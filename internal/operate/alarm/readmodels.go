package alarm

import (
	"time"

	"gakushoku/internal/observe"
	"gakushoku/internal/observe/telemetry/emf"
)

// readModels returns the conditions of lists and sales: how late they are, and whether they are correct.
func readModels() []Condition {
	lag := Term{ID: "lag", Metric: ours(observe.MetricLag, p95), Series: p95Of("gakushoku_projection_lag_seconds")}
	return []Condition{
		{
			Name: "projection-lag", Class: Warning, Runbook: "projection-lag.md",
			Meaning: "One event in twenty reaches the lists late: the kitchen sees orders late. Guests still see their own payment immediately.",
			Value:   Value{Single, []Term{lag}},
			Compare: Above, Threshold: 0.1, AWSThreshold: 1, Period: 5 * time.Minute, Periods: 3, Datapoints: 3,
			Missing: NotBreaching, Why: quiet + "; Lambda polls a stream four times a second, so the target of 100 ms cannot be met there, " +
				"and an alarm that is always on is useless",
		},
		{
			Name: "projection-not-advancing", Class: Critical, Runbook: "projection-lag.md",
			Meaning: "Guests order, but nothing has reached the lists for 5 minutes: the kitchen sees no new orders, and lists are outdated. Nothing is lost.",
			Value: Value{Stalled, []Term{
				{ID: "delivered", Metric: ours(observe.MetricDelivered, sum), Series: grown("gakushoku_projection_events_total")},
				{ID: "appended", Metric: ours(observe.MetricAppended, sum), Series: grown("gakushoku_events_appended_total")},
			}},
			Compare: AtLeast, Threshold: 1, Period: time.Minute, Periods: 5, Datapoints: 5,
			Missing: NotBreaching, Why: quiet,
		},
		late("projector-late", Warning, "ProjectorFunction", time.Minute, "projection-lag.md",
			"The projector is more than a minute behind the event table's stream: lists are outdated."),
		late("projector-very-late", Critical, "ProjectorFunction", 15*time.Minute, "projection-lag.md",
			"The projector is more than 15 minutes behind the event table's stream, which forgets events after 24 hours: lists are useless. Fix it today."),
		undelivered("projector-gave-up", "ProjectorMapping", "projection-lag.md",
			"Records of the event table's stream are in the failure bucket since the projector could not process them: rows of these orders are behind until they are healed."),
		{
			Name: "streams-parked", Class: Critical, Runbook: "parked-streams.md",
			Meaning: "The rows of some orders are not updated, since an event of each cannot be applied: the lists are wrong about them. Other rows are not affected.",
			Value: Value{Single, []Term{{
				ID: "parked", Metric: ours(observe.MetricParked, maximum),
				Series: Series{Name: "gakushoku_projection_parked", Read: Last},
			}}},
			Compare: Above, Threshold: 0, Period: 5 * time.Minute, Periods: 1, Datapoints: 1,
			Missing: NotBreaching, Why: "the health function counts them each minute; no data means that it has not run",
		},
		{
			Name: "verify-failed", Class: Critical, Once: true, Runbook: "failed-run.md",
			Meaning: "A rebuild was not switched to, since its rows do not match the events: a fold is wrong, or log and event store differ. Readers use the old version.",
			Value: Value{Single, []Term{{
				ID: "wrong", Metric: ours(observe.MetricVerified, sum, Dimension{emf.Result, observe.ResultNG}),
			}}},
			Compare: Above, Threshold: 0, Period: time.Minute, Periods: 1, Datapoints: 1,
			Missing: NotBreaching, Why: "no data means that no verification has failed",
		},
		ended("rebuild-failed", Warning, "failed-run.md",
			"A rebuild failed, timed out or was stopped. Readers use the same version as before; there is no hurry.",
			"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"),
		ended("rebuild-done", Info, "switch.md",
			"A rebuild has ended. If it switched, the old version is still written until cleanup.",
			"ExecutionsSucceeded"),
	}
}

// ended returns the condition that an execution of the state machine ended in one of the given ways.
func ended(name string, class Class, runbook, meaning string, metrics ...string) Condition {
	c := Condition{
		Name: name, Class: class, Once: true, Meaning: meaning, Runbook: runbook,
		Compare: Above, Threshold: 0, Period: time.Minute, Periods: 1, Datapoints: 1,
		Missing: NotBreaching, Why: "no data means that no rebuild has ended so",
	}
	for _, metric := range metrics {
		c.Value.Terms = append(c.Value.Terms, Term{
			ID: "e" + metric[1:], Metric: Metric{states, metric, []Dimension{{"StateMachineArn", "${ReprojectMachine}"}}, sum},
		})
	}
	if len(metrics) > 1 {
		c.Value.Form = Sum
	}
	return c
}
