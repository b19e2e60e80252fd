package alarm

import (
	"time"
)

// kept returns the conditions of backups, which an embedded server makes.
func kept() []Condition {
	const quiet = "no data means that no server is told to make backups (--backup-to), or that it has just started"
	return []Condition{
		{
			Name: "backup-late", Class: Warning, Runbook: "backup-failed.md",
			Meaning: "The newest good backup is older than 26 hours: should the disk fail now, everything since then is lost.",
			Value:   Value{Single, []Term{{ID: "late", Series: Series{Name: "gakushoku_backup_late", Read: Last}}}},
			Compare: Above, Threshold: 0, Period: 5 * time.Minute, Periods: 1, Datapoints: 1,
			Missing: NotBreaching, Why: quiet,
		},
		{
			Name: "restore-drill-failed", Class: Critical, Runbook: "restore.md",
			Meaning: "The newest backup could not be restored and verified when that was rehearsed, or it was not rehearsed for 8 days: perhaps there is no backup that helps.",
			Value:   Value{Single, []Term{{ID: "failed", Series: Series{Name: "gakushoku_backup_drill_failed", Read: Last}}}},
			Compare: Above, Threshold: 0, Period: 5 * time.Minute, Periods: 1, Datapoints: 1,
			Missing: NotBreaching, Why: quiet,
		},
	}
}
