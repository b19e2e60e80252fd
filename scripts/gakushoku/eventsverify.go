package main

import (
	"time"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/app/operator"
	"gakushoku/internal/engine/logcheck"
)

type eventsVerifyCommand struct {
	Deep bool `help:"Also read the whole log, and compare it with the event store."`
	JSON bool `help:"Print the report as JSON." name:"json"`
	awsFlag
}

func (eventsVerifyCommand) Help() string {
	return `The versions of each stream must have no holes, every envelope and payload must be valid, and no two events may have one id. With --deep the log must hold the same events too.

Exit code: 0 the events are sound; 1 they are not; 2 it could not be told.

Examples:

    gakushoku events verify
    gakushoku events verify --deep --json`
}

func (c *eventsVerifyCommand) Run(p *program) error {
	var report *logcheck.EventsReport
	started := time.Now()
	err := p.withPartly(c.awsFlag, embedded.EventStore, func(i *operator.Installation) (err error) {
		if report, err = i.LogCheck.VerifyEvents(p.ctx, c.Deep); err != nil {
			return err
		}
		return p.present(c.JSON, report, func() { p.showEventsReport(report, time.Since(started)) })
	})
	return judged(err, report != nil && report.Sound, unsoundPart(report))
}

// unsoundPart names what a report found unsound. If the log was read, damage to it takes precedence, since it
// is more specific than stores that do not belong together.
func unsoundPart(r *logcheck.EventsReport) string {
	switch {
	case r == nil || r.Total() > r.Counts[logcheck.Misfit]:
		return "the event store"
	case r.Log != nil && !r.Log.Sound:
		return "the log"
	}
	return "the data folder"
}

func (p *program) showEventsReport(r *logcheck.EventsReport, took time.Duration) {
	p.printf("%s of %s looked at in %s\n", plural(int64(r.Events), "event"), plural(int64(r.Streams), "stream"), took.Round(time.Millisecond))
	p.showFindings(&r.Findings)
	if r.Log != nil {
		p.showArchiveReport(r.Log, time.Duration(r.Log.DurationMs)*time.Millisecond)
	}
	switch {
	case r.Sound:
		p.printf("The events are sound.\n")
	case unsoundPart(r) == "the log":
		p.printf("Each event is sound by itself, but the log and the store do not hold the same, or the log is damaged: see above.\n")
	case unsoundPart(r) == "the data folder":
		p.printf("Each event is sound by itself, but the parts of the data folder do not belong together: see above.\n")
	default:
		p.printf("The event store is not sound: restore it from a backup.\n")
	}
}
