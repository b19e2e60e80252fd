package main

import (
	"gakushoku/internal/engine/verify"
)

type parkCommands struct {
	List parkListCommand `cmd:"" help:"List the parked streams, and why they are parked."`
}

type parkListCommand struct {
	Name string `arg:"" optional:"" predictor:"projection" help:"The projection; all of them if not given."`
	JSON bool   `help:"Print JSON, one stream a line." name:"json"`
	awsFlag
}

func (parkListCommand) Help() string {
	return `A stream is parked when one of its events cannot be applied: its row stays as it was before that event, and all other streams go on. Fix the code or the event, then try again with "gakushoku projection heal NAME --parked".

Examples:

    gakushoku projection park list
    gakushoku projection park list orders --json`
}

func (c *parkListCommand) Run(p *program) error {
	return p.withReadModels(c.awsFlag, func(m *verify.ReadModels) error {
		names := m.Names()
		if c.Name != "" {
			names = []string{c.Name}
		}
		list := &parkedList{program: p, json: c.JSON, table: newTable(p.stdout, "")}
		for _, name := range names {
			if err := m.EachParked(p.ctx, name, list.add); err != nil {
				return err
			}
		}
		return list.end()
	})
}

// parkedList prints streams as they are found.
type parkedList struct {
	*program
	json  bool
	table table
	rows  int
}

func (l *parkedList) add(r verify.ParkedRow) error {
	l.rows++
	if l.json {
		return l.printLine(r)
	}
	if l.rows == 1 {
		l.table.line("TABLE\tSTREAM\tROW\tAT EVENT\tEVENT ID\tSINCE\tATTEMPTS\tREASON")
	}
	l.table.line("%s\t%s\t%d\t%d\t%s\t%s\t%d\t%s", r.Table, r.Stream, r.Version, r.EventVersion, orDash(r.EventID), r.Since, r.Attempts, plain(r.Reason))
	return nil
}

func (l *parkedList) end() error {
	if l.rows == 0 && !l.json {
		return l.printf("No stream is parked.\n")
	}
	return l.table.Flush()
}
