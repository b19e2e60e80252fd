package main

import (
	"fmt"

	"gakushoku/internal/app/operator"
	"gakushoku/internal/engine/rebuild"
)

type runsCommand struct {
	Name string `arg:"" predictor:"projection" help:"The projection, such as orders."`
	Last int    `help:"How many. Default: ${default}." default:"20" short:"n" placeholder:"N"`
	JSON bool   `help:"Print JSON, one run a line, with all that is known of it." name:"json"`
	awsFlag
}

func (runsCommand) Help() string {
	return `The newest comes first.

Examples:

    gakushoku projection runs orders
    gakushoku projection runs orders --last 1 --json`
}

func (c *runsCommand) Run(p *program) error {
	if c.Last < 1 {
		return usagef("--last must be at least 1, not %d", c.Last)
	}
	return p.withInstallation(c.awsFlag, func(i *operator.Installation) error {
		past, err := i.History(p.ctx, c.Name, c.Last)
		if err != nil {
			return err
		}
		if c.JSON {
			for k := range past {
				p.printLine(past[k])
			}
			return nil
		}
		table := newTable(p.stdout, "RUN\tSTARTED\tKIND\tVERSION\tLAST STEP\tOUTCOME")
		for k := range past {
			table.line("%s", pastLine(&past[k]))
		}
		return table.Flush()
	})
}

func pastLine(p *rebuild.Past) string {
	r := &p.Run
	version := "-"
	if r.ToVersion > 0 {
		version = r.Table().String()
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", r.ID, since(r.StartedAt), orDash(r.Mode), version, orDash(r.Step), outcomeOf(p))
}

func outcomeOf(p *rebuild.Past) string {
	switch {
	case p.Reason != "" && p.Run.Switched():
		return "switched, then: " + plain(p.Reason)
	case p.Reason != "":
		return "failed: " + plain(p.Reason)
	case p.Ended:
		return "done"
	case p.AtWork && p.SoakUntil != 0:
		return "switched, soaking until " + p.SoakUntil.String()
	case p.AtWork:
		return "going on, in " + string(p.Stage)
	case p.Run.Switched():
		return "switched, cut off in " + string(p.Stage)
	}
	return "cut off in " + string(p.Stage)
}
