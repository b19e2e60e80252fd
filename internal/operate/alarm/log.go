package alarm

import (
	"fmt"
	"time"

	"gakushoku/internal/engine/replica"
	"gakushoku/internal/observe"
)

// log returns the conditions of the numbered log, from which everything else can be rebuilt.
func log() []Condition {
	return []Condition{
		{
			Name: "log-not-advancing", Class: Critical, Runbook: "log-not-advancing.md",
			Meaning: "Guests order, but nothing has reached the numbered log for 15 minutes. Nothing is lost as long as the event table's stream keeps it, " +
				"which is 24 hours; until then rebuilds and backups lack the newest events.",
			Value: Value{Stalled, []Term{
				{ID: "archived", Metric: ours(observe.MetricLogLag, count), Series: grown("gakushoku_log_lag_seconds_count")},
				{ID: "appended", Metric: ours(observe.MetricAppended, sum), Series: grown("gakushoku_events_appended_total")},
			}},
			Compare: AtLeast, Threshold: 1, Period: 5 * time.Minute, Periods: 3, Datapoints: 3,
			Missing: NotBreaching, Why: quiet,
		},
		{
			Name: "replication-behind", Class: Critical, Runbook: "replication-behind.md",
			Meaning: fmt.Sprintf("The place that the log is copied to lacks events, or was not reached, for more than %s. If the primary is lost now, they are lost.", replica.Bound),
			Value:   Value{Single, []Term{{ID: "behind", Series: Series{Name: "gakushoku_replica_behind", Read: Last}}}},
			Compare: Above, Threshold: replica.Bound.Seconds(), Period: time.Minute, Periods: 1, Datapoints: 1,
			Missing: NotBreaching, Why: "an installation that does not replicate has no such figure",
		},
		late("archiver-late", Warning, "ArchiverFunction", time.Minute, "log-not-advancing.md",
			"The archiver is more than a minute behind the event table's stream: the numbered log lacks the newest events."),
		late("archiver-very-late", Critical, "ArchiverFunction", 15*time.Minute, "log-not-advancing.md",
			"The archiver is more than 15 minutes behind the event table's stream, which forgets events after 24 hours. Fix it today."),
		undelivered("archiver-gave-up", "ArchiverMapping", "log-not-advancing.md",
			"Records of the event table's stream are in the failure bucket since the archiver could not process them: the numbered log lacks events until archive verify --fix appends them."),
		{
			Name: "events-changed", Class: Critical, Once: true, Runbook: "events-changed.md",
			Meaning: "Stored events were changed or removed in the event table, or something that is not an event was put there. No function may do that; the numbered log has the original events.",
			Value:   Value{Single, []Term{{ID: "touched", Metric: ours(observe.MetricTouched, sum)}}},
			Compare: Above, Threshold: 0, Period: time.Minute, Periods: 1, Datapoints: 1,
			Missing: NotBreaching, Why: "no data means that the stream had only new events",
		},
		{
			Name: "audit-broken", Class: Critical, Runbook: "audit-broken.md",
			Meaning: "Security: the numbered log is not the one that was signed. Somebody or something has changed, exchanged or cut off recorded events, or the signed checkpoints. Nothing is repaired from it until a person has looked.",
			Value:   Value{Single, []Term{{ID: "broken", Metric: ours(observe.MetricAudit, maximum), Series: Series{Name: "gakushoku_audit_broken", Read: Last}}}},
			Compare: Above, Threshold: 0, Period: time.Hour, Periods: 1, Datapoints: 1,
			Missing: NotBreaching, Why: "a round looks each hour; no data means that none has ended in this one",
		},
	}
}
