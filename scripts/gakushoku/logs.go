package main

import (
	"errors"
	"fmt"

	"gakushoku/internal/app"
	"gakushoku/internal/logsearch"
)

type logsCommand struct {
	CorrelationID string `help:"Only lines of this operation: the x-correlation-id of its response." placeholder:"ID" name:"correlation-id" short:"c"`
	Level         string `help:"Only lines of this level and above: trace, debug, info, warn or error." placeholder:"LEVEL" short:"l"`
	Text          string `help:"Only lines that contain this text." placeholder:"TEXT" short:"t"`
	Since         moment `help:"Only lines since then: a time, or how long ago, such as 90m." placeholder:"TIME"`
	Follow        bool   `help:"Go on with new lines until Ctrl-C." short:"f"`
	Last          *int   `help:"Only so many of the lines that there are, the newest; 0 for all. All, but 10 with --follow." placeholder:"N" short:"n"`
	JSON          bool   `help:"Print the lines as they are in the log." name:"json"`
}

func (logsCommand) Help() string {
	return `Reads DIR/logs/gakushoku.log and the rotated files beside it.

Examples:

    gakushoku logs --correlation-id 01KFQ6Z5J3
    gakushoku logs --level error --since 24h
    gakushoku logs --follow --level warn
    gakushoku logs --text order-o1 --json`
}

func (c *logsCommand) Run(p *program) error {
	query := logsearch.Query{CorrelationID: c.CorrelationID, Level: c.Level, Text: c.Text, Since: c.Since.Time}
	if err := query.Validate(); err != nil {
		return usagef("--level: %v", err)
	}
	last := 0
	if c.Follow {
		last = 10
	}
	if c.Last != nil {
		last = *c.Last
	}
	if last < 0 {
		return usagef("--last: %d is below 0", last)
	}
	printer := logsearch.NewPrinter(p.stdout, c.JSON, colour(p.stdout))
	path := app.LogFile(p.data)
	if c.Follow {
		return logsearch.Follow(p.ctx, path, query, last, 0, printer)
	}
	err := logsearch.Search(p.ctx, path, query, last, printer)
	if errors.Is(err, logsearch.ErrNoLog) {
		return fmt.Errorf("%w: has `gakushoku serve` run with this --data folder?", err)
	}
	return err
}
