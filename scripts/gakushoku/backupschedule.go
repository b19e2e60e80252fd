package main

import (
	"time"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/app/place"
	"gakushoku/internal/canteen/day"
	"gakushoku/internal/operate/backups"
	"gakushoku/internal/operate/health"
)

// scheduleFlags say when backups and drills are due.
type scheduleFlags struct {
	At    string `help:"When backups are made, as a cron expression in the canteen's time zone. Default: ${default}, each day at 02:00." default:"0 2 * * *" env:"GAKUSHOKU_BACKUP_AT" name:"backup-at" placeholder:"CRON"`
	Drill string `help:"When a restore is rehearsed. Default: ${default}, each Sunday at 03:00." default:"0 3 * * 0" env:"GAKUSHOKU_BACKUP_DRILL" name:"backup-drill" placeholder:"CRON"`
}

// parse returns the two schedules.
func (f scheduleFlags) parse() (at, drill backups.Schedule, err error) {
	if at, err = backups.ParseSchedule(f.At, day.Zone()); err != nil {
		return at, drill, usagef("--backup-at: %v", err)
	}
	if drill, err = backups.ParseSchedule(f.Drill, day.Zone()); err != nil {
		return at, drill, usagef("--backup-drill: %v", err)
	}
	return at, drill, nil
}

// backupFlags are those of serve.
type backupFlags struct {
	BackupTo string `help:"Where backups go: a folder, best on another disk, or s3://BUCKET/PREFIX. Default: none are made." env:"GAKUSHOKU_BACKUP_TO" placeholder:"PLACE"`
	Keep     days   `help:"How long backups are kept. Default: ${default}." default:"30d" env:"GAKUSHOKU_BACKUP_KEEP" placeholder:"AGE"`
	scheduleFlags
}

func (f backupFlags) options() (o embedded.BackupOptions, err error) {
	if f.BackupTo == "" {
		return o, nil
	}
	if err := place.Check(f.BackupTo); err != nil {
		return o, usagef("--backup-to: %v", err)
	}
	o = embedded.BackupOptions{To: f.BackupTo, Keep: time.Duration(f.Keep), Program: readBuild().Version}
	o.At, o.Drill, err = f.scheduleFlags.parse()
	return o, err
}

type backupScheduleCommand struct {
	scheduleFlags
	JSON bool `help:"Print JSON." name:"json"`
}

func (backupScheduleCommand) Help() string {
	return `A server that was started with --backup-to makes backups by itself. Give the same options as to the server.

Exit code: 0; 1 the newest backup, or the newest rehearsed restore, is too old or failed; 2 it could not be told.

Examples:

    gakushoku backup schedule`
}

// scheduled is when something was done, and is due.
type scheduled struct {
	Last    time.Time `json:"last,omitzero"`
	Events  uint64    `json:"events"`
	Problem string    `json:"problem,omitempty"` // since then
	Next    time.Time `json:"next"`
	Late    bool      `json:"late"`
}

func (c *backupScheduleCommand) Run(p *program) error {
	at, drill, err := c.parse()
	if err != nil {
		return err
	}
	late := false
	err = p.withParts(embedded.ControlRecords, func(folder *embedded.Folder) error {
		found := map[string]scheduled{}
		for part, rule := range map[string]struct {
			schedule backups.Schedule
			bound    time.Duration
		}{health.PartBackup: {at, backups.BackupBound}, health.PartRestore: {drill, backups.RestoreBound}} {
			noted, err := folder.Control.Checkpoint(p.ctx, part)
			if err != nil {
				return err
			}
			s := scheduled{Events: noted.Events, Problem: noted.Cursor, Next: rule.schedule.Next(time.Now())}
			if !noted.AppliedAt.IsZero() {
				s.Last = noted.AppliedAt.Time()
			}
			s.Late = time.Since(s.Last) > rule.bound
			late = late || s.Late
			found[part] = s
		}
		return p.present(c.JSON, found, func() {
			table := newTable(p.stdout, "WHAT\tLAST\tUP TO EVENT\tSINCE THEN\tNEXT")
			for _, part := range []string{health.PartBackup, health.PartRestore} {
				s, last := found[part], "never"
				if !s.Last.IsZero() {
					last = s.Last.In(day.Zone()).Format(time.RFC3339)
				}
				table.line("%s\t%s\t%d\t%s\t%s", part, last, s.Events, orDash(plain(s.Problem)), s.Next.Format(time.RFC3339))
			}
			table.Flush()
		})
	})
	return judged(err, !late, "the schedule of backups")
}

type backupDrillCommand struct {
	fromFlag
	Scratch string `help:"Where the scratch folder is made. Default: the system's place for temporary files." type:"existingdir" placeholder:"DIR"`
	JSON    bool   `help:"Print the report as JSON." name:"json"`
}

func (backupDrillCommand) Help() string {
	return `Restores the newest backup into a scratch folder, verifies every row and every event, says how long that took, and removes the folder again.

Exit code: 0 the backup can be restored; 1 it cannot; 2 there is none.

Examples:

    gakushoku backup drill --from /mnt/backup/canteen`
}

func (c *backupDrillCommand) Run(p *program) error {
	from, found, err := c.find(p, "")
	if err != nil {
		return err
	}
	line := newProgressLine(p)
	report, err := embedded.RehearseRestore(p.ctx, from, c.Scratch, embedded.RestoreOptions{Copying: line.copying("copying")})
	line.end()
	if err != nil {
		return err
	}
	return p.present(c.JSON, report, func() {
		took := time.Duration(report.TotalMs) * time.Millisecond
		p.printf("backup %s, made %s ago, is restored and verified in %s: %s\n", found.ID, age(found.Age(time.Now())), took.Round(time.Millisecond),
			plural(int64(report.Events), "event"))
	})
}
