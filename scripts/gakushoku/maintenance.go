package main

import (
	"fmt"
	"time"

	"gakushoku/internal/app/embedded"
)

type upkeepCommands struct {
	Stats maintenanceStatsCommand `cmd:"" help:"Show the room that each store takes, the longest streams, and what has piled up."`
	Run   maintenanceRunCommand   `cmd:"" help:"Tidy every store up: statistics, free room, write-ahead logs, old snapshots, orphans."`
}

type maintenanceStatsCommand struct {
	Repeats bool `help:"Read the whole log to count events that are in it again."`
	JSON    bool `help:"Print JSON." name:"json"`
}

func (maintenanceStatsCommand) Help() string {
	return `FREE is room in a file that nothing uses. Files made by this version give it back when maintenance runs; read models and older files use it again. STATISTICS is of how many indexes SQLite knows how they are filled. The streams are the longest ones.

Exit code: 0, or 2 when it could not be told.

Examples:

    gakushoku maintenance stats
    gakushoku maintenance stats --repeats --json`
}

func (c *maintenanceStatsCommand) Run(p *program) error {
	return couldNotTell(p.withParts(embedded.AllParts, func(f *embedded.Folder) error {
		stats, err := f.MaintenanceStats(p.ctx, c.Repeats)
		if err != nil {
			return err
		}
		return p.present(c.JSON, stats, func() { p.showMaintenance(&stats) })
	}))
}

type maintenanceRunCommand struct {
	JSON bool `help:"Print the report as JSON." name:"json"`
}

func (maintenanceRunCommand) Help() string {
	return `A running server does this by itself once a week, at three in the morning; here it is done now, while a server may go on. It may be stopped and repeated at any time.

Exit code: 0, or 2 when it could not be done.

Examples:

    gakushoku maintenance run
    gakushoku maintenance run --json`
}

func (c *maintenanceRunCommand) Run(p *program) error {
	return couldNotTell(p.withParts(embedded.AllParts, func(f *embedded.Folder) error {
		done, err := f.Maintain(p.ctx)
		if err != nil {
			return err
		}
		return p.present(c.JSON, done, func() {
			p.showMaintenance(&done.After)
			p.printf("%s dropped, %s swept, done in %s\n", plural(done.Snapshots, "old snapshot"), plural(int64(done.Swept.Objects), "orphan"),
				(time.Duration(done.DurationMs) * time.Millisecond).Round(time.Millisecond))
		})
	}))
}

func (p *program) showMaintenance(m *embedded.Maintenance) {
	table := newTable(p.stdout, "STORE\tBYTES\tFREE\tWRITE-AHEAD LOG\tSTATISTICS")
	for _, s := range m.Stores {
		table.line("%s\t%d\t%d\t%d\t%d", s.Name, s.Bytes, s.Free, s.LogBytes, s.Statistics)
	}
	table.Flush() //nolint:errcheck // run reports what could not be printed
	for _, l := range m.Longest {
		p.printf("%s has %s\n", l.Stream, plural(int64(l.Events), "event"))
	}
	repeats := ""
	if m.Repeats != nil {
		repeats = fmt.Sprintf(", %d repeated", *m.Repeats)
	}
	p.printf("snapshots: %d of %s, %d of them old\n", m.Snapshots.Count, plural(m.Snapshots.Bytes, "byte"), m.Snapshots.Old)
	p.printf("log: %s of %s, %d of them tiny; %s of %s%s\n", plural(int64(m.Log.Segments), "segment"), plural(m.Log.Bytes, "byte"), m.Log.Tiny,
		plural(int64(m.Log.Orphans), "orphan"), plural(m.Log.OrphanBytes, "byte"), repeats)
	last := "never"
	if !m.LastRun.IsZero() {
		last = m.LastRun.Format(time.RFC3339)
	}
	p.printf("maintenance was done: %s\n", last)
}
