package main

import (
	"errors"
	"time"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/engine/retire"
)

type retireCommand struct {
	OlderThan days `help:"Retire streams that have been quiet for longer than this, such as 90d; at least 1d." required:"" placeholder:"AGE"`
	BatchSize int  `help:"Delete the events of this many streams at once." default:"1000" placeholder:"N"`
	DryRun    bool `help:"Only count."`
	JSON      bool `help:"Print JSON." name:"json"`
}

func (retireCommand) Help() string {
	return `Events of streams that are closed (orders that were picked up or called off, the stock of past days, the audit of past days) are deleted from the event store once the log has all of them, with the same content. A tombstone stays in their place, and everything that reads such a stream finds its events in the log: lists, verification, rebuilds, explain, exports, and commands such as a late refund. "gakushoku archive restore STREAM" puts the events of one stream back.

A server may run meanwhile, and the command may be repeated, also after it was cut off.

Exit code: 0; 1 it was refused; 2 it was not asked for correctly.

Examples:

    gakushoku archive retire --older-than 90d --dry-run
    gakushoku archive retire --older-than 365d --batch-size 200 --json`
}

func (c *retireCommand) Run(p *program) error {
	err := p.withFolder(false, func(folder *embedded.Folder) error {
		if err := folder.CheckChanges(p.ctx); err != nil {
			return err
		}
		if err := folder.Archive(p.ctx); err != nil {
			return err
		}
		line := newProgressLine(p)
		defer line.end()
		report, err := folder.Installation.Retirer.Run(p.ctx, retire.Options{
			OlderThan: time.Duration(c.OlderThan), BatchSize: c.BatchSize, DryRun: c.DryRun,
			Progress: func(r retire.Report) { line.step("retiring", r.Streams, 0, "stream") },
		})
		if err != nil {
			return err
		}
		line.end()
		return p.present(c.JSON, report, func() { p.showRetired(&report) })
	})
	if errors.Is(err, retire.ErrOptions) {
		return usagef("%v", err)
	}
	return err
}

func (p *program) showRetired(r *retire.Report) {
	verb := "retired"
	if r.DryRun {
		verb = "would be retired"
	}
	p.printf("%s %s, with %s\n", plural(r.Streams, "stream"), verb, plural(r.Events, "event"))
	if r.Finished > 0 {
		p.printf("%s that an earlier run had begun\n", plural(r.Finished, "stream"))
	}
	p.printf("%s deleted from the event store\n", plural(r.Deleted, "event"))
	for _, kept := range []struct {
		count int64
		why   string
	}{
		{r.Kept.Retired, "retired before"}, {r.Kept.Open, "not closed"}, {r.Kept.Young, "not old enough"},
		{r.Kept.Unlogged, "not in the log as a whole: see `gakushoku archive verify`"}, {r.Kept.Changed, "changed meanwhile"},
		{r.Kept.Damaged, "damaged: see `gakushoku events verify`"},
	} {
		if kept.count > 0 {
			p.printf("%s left: %s\n", plural(kept.count, "stream"), kept.why)
		}
	}
}

type unretireCommand struct {
	Stream string `arg:"" help:"The stream, such as order-o1."`
	JSON   bool   `help:"Print JSON." name:"json"`
}

func (unretireCommand) Help() string {
	return `Nothing needs this: it makes reading one stream as fast as before. The tombstone stays, and the stream is retired again once it has been quiet for long enough since.

Exit code: 0; 1 the event store lacks nothing of the stream.

Examples:

    gakushoku archive restore order-o1`
}

func (c *unretireCommand) Run(p *program) error {
	return p.withFolder(false, func(folder *embedded.Folder) error {
		if err := folder.CheckChanges(p.ctx); err != nil {
			return err
		}
		count, err := folder.Installation.Retirer.Restore(p.ctx, c.Stream)
		if err != nil {
			return err
		}
		restored := struct {
			Stream string `json:"stream"`
			Events int    `json:"events"`
		}{c.Stream, count}
		return p.present(c.JSON, restored, func() { p.printf("%s of %s put back\n", plural(int64(count), "event"), c.Stream) })
	})
}
