package main

import (
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/drill"
	"gakushoku/internal/observe"
)

type drillCommands struct {
	List drillListCommand `cmd:"" help:"List the drills."`
	Run  drillRunCommand  `cmd:"" help:"Break something in a canteen of its own, and repair it as the runbook says."`
}

type drillListCommand struct{}

func (drillListCommand) Run(p *program) error {
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "DRILL\tRUNBOOK\tWHAT PEOPLE SAY")
	for _, d := range drill.All() {
		fmt.Fprintf(table, "%s\t%s\t\"%s\"\n", d.Name, d.Page, d.Title)
	}
	return table.Flush()
}

type drillRunCommand struct {
	Name string `arg:"" help:"The drill (see \"gakushoku drill list\"), or all."`
	Keep bool   `help:"Leave the canteen's folder, to look at."`
	JSON bool   `help:"Print a report in JSON, one drill a line." name:"json"`
}

func (drillRunCommand) Help() string {
	return `Each drill opens a canteen with guests in a temporary folder, breaks something on purpose, waits until alarms, health or commands show it, and runs the commands of the runbook (infra/runbooks) until all is well again. Rows, totals, log and events are compared at the end. Nothing outside the folder is touched, and nothing is left behind.

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
	for i := range drills {
		if err := c.run(p, &drills[i], program); err != nil {
			failed = append(failed, err)
		}
		if p.ctx.Err() != nil {
			return p.ctx.Err()
		}
	}
	return errors.Join(failed...)
}

func (c *drillRunCommand) run(p *program, d *drill.Drill, program string) error {
	options := drill.Options{Program: program, Keep: c.Keep}
	if !c.JSON {
		options.Progress = func(l drill.Line) { p.printf("  %-8s %s\n", l.Kind, l.Text) } //nolint:errcheck // the drill is checked, not its printing
		if err := p.printf("%s: \"%s\"\n", d.Name, d.Title); err != nil {
			return err
		}
	}
	report, err := d.Run(observe.WithLogger(p.ctx, zerolog.Nop()), options)
	if c.JSON {
		return errors.Join(err, p.printLine(report))
	}
	if err != nil {
		return err
	}
	second := func(ms int64) string {
		return (time.Duration(ms) * time.Millisecond).Round(100 * time.Millisecond).String()
	}
	return p.printf("  well     noticed after %s, repaired %s later; the drill took %s\n\n", second(report.DetectMs), second(report.RepairMs), second(report.TookMs))
}
