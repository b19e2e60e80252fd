package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/rs/zerolog"

	"gakushoku/internal/observe"
	"gakushoku/internal/rehearse/drill"
)

type drillCommands struct {
	List drillListCommand `cmd:"" help:"List the drills."`
	Run  drillRunCommand  `cmd:"" help:"Break something in a canteen of its own, and repair it as the runbook says."`
}

type drillListCommand struct{}

func (drillListCommand) Run(p *program) error {
	table := newTable(p.stdout, "DRILL\tRUNBOOK\tWHAT PEOPLE SAY")
	for _, d := range drill.All() {
		table.line("%s\t%s\t\"%s\"", d.Name, d.Page, d.Title)
	}
	return table.Flush()
}

type drillRunCommand struct {
	Name string `arg:"" help:"The drill (see \"gakushoku drill list\"), or all." predictor:"drill"`
	Keep bool   `help:"Leave the canteen's folder, to look at."`
	JSON bool   `help:"Print a report in JSON, one drill a line." name:"json"`
}

func (drillRunCommand) Help() string {
	return `Each drill opens a canteen with guests in a temporary folder, breaks something on purpose, waits until alarms, health or commands show it, and runs the commands of the runbook (infra/runbooks) until all is well again. Rows, totals, log and events are compared at the end. Nothing outside the folder is touched, and nothing is left behind.

Alarms are those of a real canteen, but look at seconds instead of minutes: add these minutes to what a drill takes.

The report says what was broken, what showed it and after how long, what repaired it, and how it is known to be over. The exit code is 0 only when every check has held.

Examples:

    gakushoku drill run lost-operation
    gakushoku drill run all --json
    gakushoku drill run disk-full --keep`
}

func (c *drillRunCommand) Run(p *program) error {
	drills := drill.All()
	if c.Name != "all" {
		d, ok := drill.Find(c.Name)
		if !ok {
			return usagef("there is no drill %q: see `gakushoku drill list`", c.Name)
		}
		drills = []drill.Drill{d}
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program, which the runbooks' commands call: %w", err)
	}
	var failed []error
	reports := make([]drill.Report, len(drills))
	for i := range drills {
		if reports[i], err = c.run(p, &drills[i], program); err != nil {
			failed = append(failed, err)
		}
		if p.ctx.Err() != nil {
			return p.ctx.Err()
		}
	}
	if len(drills) > 1 && !c.JSON {
		failed = append(failed, p.showDrills(reports))
	}
	return errors.Join(failed...)
}

func (c *drillRunCommand) run(p *program, d *drill.Drill, program string) (report drill.Report, err error) {
	options := drill.Options{Program: program, Keep: c.Keep}
	if !c.JSON {
		options.Progress = func(l drill.Line) { p.printf("  %-8s %s\n", l.Kind, l.Text) } //nolint:errcheck // the drill is checked, not its printing
		if err := p.printf("%s: \"%s\"\n", d.Name, d.Title); err != nil {
			return report, err
		}
	}
	report, err = d.Run(observe.WithLogger(p.ctx, zerolog.Nop()), options)
	switch {
	case c.JSON:
		err = errors.Join(err, p.printLine(report))
	case err == nil:
		err = p.printf("  well     noticed after %s, repaired %s later; the drill took %s\n\n", tenths(report.DetectMs), tenths(report.RepairMs), tenths(report.TookMs))
	}
	return report, err
}

// showDrills summarises drills.
func (p *program) showDrills(reports []drill.Report) error {
	table := newTable(p.stdout, "DRILL\tRESULT\tNOTICED AFTER\tREPAIRED AFTER\tGUESTS' REQUESTS\tFAILED\tWRONG")
	for _, r := range reports {
		if !r.OK {
			table.line("%s\tNG\t-\t-\t-\t-\t-", r.Drill)
			continue
		}
		table.line("%s\tOK\t%s\t%s\t%d\t%d\t%d", r.Drill, tenths(r.DetectMs), tenths(r.RepairMs), r.Guests.Requests, r.Guests.Failed, r.Guests.Wrong)
	}
	return table.Flush()
}

// tenths formats milliseconds as seconds with one decimal.
func tenths(ms int64) string { return fmt.Sprintf("%.1f s", float64(ms)/1000) }
