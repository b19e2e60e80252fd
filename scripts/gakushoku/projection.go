package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"gakushoku/internal/app"
	"gakushoku/internal/projection"
	"gakushoku/internal/reproject"
)

type projectionCommands struct {
	Status  statusCommand  `cmd:"" help:"Show where the read models stand."`
	Rebuild rebuildCommand `cmd:"" help:"Make a read model anew from the events, and switch readers to it."`
	Verify  verifyCommand  `cmd:"" help:"Compare every row and total with the events."`
	Heal    healCommand    `cmd:"" help:"Fold single streams anew and write their rows where they differ."`
	Park    parkCommands   `cmd:"" help:"Look at the streams that are set aside."`
}

type statusCommand struct {
	JSON bool `help:"Print JSON." name:"json"`
}

func (statusCommand) Help() string {
	return `Shows the table versions of each projection, its rows, the streams that are set aside (parked), and how far the projector is behind the newest event.

Examples:

    gakushoku projection status
    gakushoku projection status --json`
}

func (c *statusCommand) Run(p *program) error {
	return p.withFolder(false, func(folder *app.Folder) error {
		status, err := folder.Status(p.ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			return p.printJSON(status)
		}
		return p.showStatus(status)
	})
}

func (p *program) showStatus(s app.Status) error {
	behind := "up to date"
	if s.Applied < s.Head {
		behind = fmt.Sprintf("%s waiting, the oldest for %s: a running server brings the read models up to date", plural(int64(s.Head-s.Applied), "event"), age(time.Duration(s.BehindMs)*time.Millisecond))
	}
	if err := p.printf("%s, %d applied: %s\n\n", plural(int64(s.Head), "event"), s.Applied, behind); err != nil {
		return err
	}
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PROJECTION\tVERSION\tSTATE\tREVISION\tROWS\tPARKED")
	for _, projected := range s.Projections {
		for _, v := range projected.Versions {
			rows, parked := "-", "-"
			if v.State == projection.Active {
				rows, parked = fmt.Sprint(projected.Rows), fmt.Sprint(projected.Parked)
			}
			fmt.Fprintf(table, "%s\t%d\t%s\t%d\t%s\t%s\n", projected.Name, v.Number, v.State, v.Revision, rows, parked)
		}
	}
	return table.Flush()
}

// age is a duration as one says it.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.Round(time.Second).String()
}

type rebuildCommand struct {
	Name string `arg:"" help:"The projection, such as orders."`
	JSON bool   `help:"Print what was done as JSON." name:"json"`
}

func (rebuildCommand) Help() string {
	return `A server may go on running meanwhile: readers see the old rows until the new ones are complete.

Example:

    gakushoku projection rebuild orders`
}

func (c *rebuildCommand) Run(p *program) error {
	return p.withFolder(false, func(folder *app.Folder) error {
		run, err := p.rebuild(folder, c.Name)
		if err != nil {
			return err
		}
		if c.JSON {
			return p.printJSON(run)
		}
		return p.printf("%s: %s and %s in version %d, verified; readers are switched from version %d, which is kept for going back\n", run.Projection,
			plural(run.Plan.Events, "event"), plural(run.Replay.Rows, "row"), run.ToVersion, run.FromVersion)
	})
}

// rebuild rebuilds one projection.
func (p *program) rebuild(folder *app.Folder, name string) (reproject.Run, error) {
	return folder.Rebuild(p.ctx, reproject.Request{Projection: name}, app.RebuildOptions{})
}
