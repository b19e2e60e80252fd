package main

import (
	"errors"
	"maps"
	"slices"
	"time"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/engine/backup"
	"gakushoku/internal/engine/eventlog"
)

type restoreCommand struct {
	fromFlag
	Backup string `help:"Which backup, as in backup list. Default: the newest." placeholder:"BACKUP"`
	Into   string `help:"The data folder to make. It must be empty or not be there yet." type:"path" placeholder:"DIR" required:""`
	Until  moment `help:"Only what occurred up to a moment, inclusive: a time, or how long ago, such as 24h." placeholder:"TIME" xor:"point"`
	Number uint64 `help:"Only up to this event number of the log, inclusive." name:"event-number" placeholder:"N" xor:"point"`
	DryRun bool   `help:"Only say what would be restored."`
	JSON   bool   `help:"Print the report as JSON." name:"json"`
}

func (restoreCommand) Help() string {
	return `Makes a new data folder: the event store and the log from the backup's segments, each checked by its digest, the device keys, the keys of subjects, and all read models. Then every row is compared with the events, and the event store with the log. The next event gets the number after the last one restored, commands that were executed are known by their keys, and who was erased stays erased, also by a later backup in the same place.

A restore that was cut off leaves a folder that nothing serves; repeated, it starts anew. With --until or --event-number the end of the log is made anew where the point lies within a segment, so backups of the new folder need a place of their own.

Exit code: 0 the folder is whole and verified; 1 it is not; 2 there is no such backup or point.

Examples:

    gakushoku restore --from /mnt/backup/canteen --into /var/lib/gakushoku-new
    gakushoku restore --from s3://canteen-backup/main --into restored --until 2026-01-24T12:00:00+09:00 --dry-run`
}

func (c *restoreCommand) Run(p *program) error {
	from, found, err := c.find(p, c.Backup)
	if err != nil {
		return err
	}
	point := backup.Point{Number: c.Number, Until: c.Until.instant()}
	if err := errors.Join(point.Check(found, time.Now()), embedded.CheckRestore(c.Into)); err != nil {
		return usagef("%v", err)
	}
	if c.DryRun {
		return c.plan(p, from, found, point)
	}
	line := newProgressLine(p)
	report, err := embedded.Restore(p.ctx, c.Into, from, found, embedded.RestoreOptions{
		Point: point, Copying: line.copying("copying"), Checking: func(step string) { line.show("%s", step) },
	})
	line.end()
	if err != nil {
		return err
	}
	return p.present(c.JSON, report, func() { p.showRestored(report) })
}

func (c *restoreCommand) plan(p *program, from eventlog.BlobReader, found *backup.Catalogue, point backup.Point) error {
	planned, err := backup.Plan(p.ctx, from, found, point)
	if err != nil {
		return err
	}
	return p.present(c.JSON, planned, func() {
		least := ""
		if planned.Cut && point.Number == 0 {
			least = "at least "
		}
		p.printf("backup %s would be restored into %s: %s%s, %s as they are\n", found.ID, c.Into, least, plural(int64(planned.Events), "event"), plural(int64(planned.Segments), "segment"))
	})
}

func (p *program) showRestored(r *embedded.RestoreReport) {
	took := time.Duration(r.TotalMs) * time.Millisecond
	p.printf("%s restored and verified in %s, %.0f/s, from backup %s\n", plural(int64(r.Events), "event"), took.Round(time.Millisecond),
		float64(r.Events)/max(took.Seconds(), 0.001), r.Backup)
	if r.Events > 0 {
		p.printf("the last one is number %d, the newest occurred at %s\n", r.Events, r.NewestAt)
	}
	table := newTable(p.stdout, "READ MODEL\tROWS\tPARKED")
	for _, name := range slices.Sorted(maps.Keys(r.Rows)) {
		table.line("%s\t%d\t%d", name, r.Rows[name], r.Parked[name])
	}
	table.Flush()
	p.printf("Serve it:\n\n    gakushoku serve --data %s\n", r.Dir)
}
