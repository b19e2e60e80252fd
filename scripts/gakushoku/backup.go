package main

import (
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/app/place"
	"gakushoku/internal/engine/backup"
	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/files"
)

type backupCommands struct {
	Create backupCreateCommand `cmd:"" help:"Copy what a place lacks, and make a backup there."`
	List   backupListCommand   `cmd:"" help:"List the backups in a place."`
	Show   backupShowCommand   `cmd:"" help:"Show one backup."`
	Verify backupVerifyCommand `cmd:"" help:"Check that everything that a backup needs is there."`
	Prune  backupPruneCommand  `cmd:"" help:"Remove old backups, and what none needs any more."`
	Drill  backupDrillCommand  `cmd:"" help:"Rehearse a restore of the newest backup, and time it."`

	Schedule backupScheduleCommand `cmd:"" help:"Show when backups and drills are due, and how the last ones went."`
}

// fromFlag is the place that a command reads.
type fromFlag struct {
	From string `help:"Where the backups are: a folder, or s3://BUCKET/PREFIX with credentials and region where AWS's own tools find them." env:"GAKUSHOKU_BACKUP_PLACE" placeholder:"PLACE" required:""`
}

// read opens the place for reading.
func (f fromFlag) read(p *program) (eventlog.BlobReader, error) {
	found, err := place.Read(p.ctx, f.From)
	if errors.Is(err, place.ErrNoPlace) || errors.Is(err, files.ErrNoFolder) {
		return nil, usagef("--from: %v", err)
	}
	return found, err
}

// find opens the place and reads one backup, the newest for "".
func (f fromFlag) find(p *program, id string) (eventlog.BlobReader, *backup.Catalogue, error) {
	found, err := f.read(p)
	if err != nil {
		return nil, nil, err
	}
	c, err := backup.Find(p.ctx, found, id)
	if errors.Is(err, backup.ErrNoBackup) {
		err = usagef("%v", err)
	}
	return found, c, err
}

// openPlace opens a place for writing.
func (p *program) openPlace(flag, target string) (eventlog.Blobs, error) {
	opened, err := place.Open(p.ctx, target)
	if errors.Is(err, place.ErrNoPlace) {
		return nil, usagef("%s: %v", flag, err)
	}
	return opened, err
}

type backupCreateCommand struct {
	To   string `help:"Where to: a folder, or s3://BUCKET/PREFIX." env:"GAKUSHOKU_BACKUP_PLACE" placeholder:"PLACE" required:""`
	JSON bool   `help:"Print JSON." name:"json"`
}

func (backupCreateCommand) Help() string {
	return `A backup has all events up to the moment it is made, the device keys as hashes, the secrets of sessions, the keys of subjects with the tombstones of those who were erased, and the public keys of signed checkpoints. A server may go on meanwhile. Only what the place lacks is copied, so a backup of an unchanged canteen costs one small object. A backup that was cut off is not listed; what it copied counts for the next one.

Whoever can read the place can read everything: its files have mode 0600, a bucket should be private and encrypted. The private key of signed checkpoints is not in it.

Examples:

    gakushoku backup create --to /mnt/backup/canteen
    gakushoku backup create --to s3://canteen-backup/main --json`
}

func (c *backupCreateCommand) Run(p *program) error {
	return p.withFolder(false, func(folder *embedded.Folder) error {
		to, err := p.openPlace("--to", c.To)
		if err != nil {
			return err
		}
		began := time.Now()
		source, err := folder.BackupSource(p.ctx, readBuild().Version)
		if err != nil {
			return err
		}
		line := newProgressLine(p)
		source.Progress = line.copying("copying")
		made, err := source.Create(p.ctx, to)
		line.end()
		if err != nil {
			return err
		}
		return p.present(c.JSON, made, func() {
			p.printf("backup %s: %s, %s copied with %s in %s\n", made.ID, plural(int64(made.Head.Number), "event"),
				plural(int64(made.Copied.Objects), "object"), plural(made.Copied.Bytes, "byte"), time.Since(began).Round(time.Millisecond))
		})
	})
}

// copying returns a function that shows the progress of a backup.
func (l *progressLine) copying(step string) func(backup.Progress) {
	return func(at backup.Progress) { l.step(step, int64(at.Done), int64(at.Total), "event") }
}

type backupListCommand struct {
	fromFlag
	JSON bool `help:"Print JSON." name:"json"`
}

func (backupListCommand) Help() string {
	return `The newest backup is the last one.

Examples:

    gakushoku backup list --from /mnt/backup/canteen`
}

func (c *backupListCommand) Run(p *program) error {
	from, err := c.read(p)
	if err != nil {
		return err
	}
	ids, err := backup.IDs(p.ctx, from)
	if err != nil {
		return err
	}
	all := make([]*backup.Catalogue, 0, len(ids))
	for _, id := range ids {
		found, err := backup.Find(p.ctx, from, id)
		if errors.Is(err, backup.ErrDamaged) {
			fmt.Fprintf(p.stderr, "gakushoku: %s\n", oneLine(err))
			continue
		}
		if err != nil {
			return err
		}
		all = append(all, found)
	}
	return p.present(c.JSON, all, func() {
		if len(all) == 0 {
			p.printf("There are no backups.\n")
			return
		}
		table := newTable(p.stdout, "BACKUP\tMADE\tEVENTS\tUP TO\tSEGMENTS\tBYTES\tCOPIED")
		for _, b := range all {
			table.line("%s\t%s\t%d\t%s\t%d\t%d\t%d", b.ID, b.CreatedAt, b.Head.Number, newest(b), b.Head.Segments, b.Bytes, b.Copied.Bytes)
		}
		table.Flush()
	})
}

// newest returns when the newest event of a backup occurred.
func newest(b *backup.Catalogue) string {
	if b.Head.Number == 0 {
		return "-"
	}
	return b.NewestAt.String()
}

type backupShowCommand struct {
	fromFlag
	ID   string `arg:"" optional:"" help:"Which backup. Default: the newest." placeholder:"BACKUP"`
	JSON bool   `help:"Print JSON." name:"json"`
}

func (c *backupShowCommand) Run(p *program) error {
	_, found, err := c.find(p, c.ID)
	if err != nil {
		return err
	}
	return p.present(c.JSON, found, func() {
		for _, line := range [][2]string{
			{"backup", found.ID},
			{"made", fmt.Sprintf("%s, %s ago, by gakushoku %s", found.CreatedAt, age(found.Age(time.Now())), found.Program)},
			{"events", fmt.Sprintf("%d, which occurred from %s to %s", found.Head.Number, found.OldestAt, newest(found))},
			{"segments", fmt.Sprintf("%d of %s", found.Head.Segments, plural(found.Bytes, "byte"))},
			{"chain", found.Head.Chain},
			{"checkpoints", fmt.Sprint(found.Seals)},
			{"subjects", fmt.Sprintf("%d with a key, %d erased", found.Subjects.Keys, found.Subjects.Erased)},
			{"copied", fmt.Sprintf("%s with %s", plural(int64(found.Copied.Objects), "object"), plural(found.Copied.Bytes, "byte"))},
		} {
			p.printf("%-12s %s\n", line[0], line[1])
		}
	})
}

type backupVerifyCommand struct {
	fromFlag
	ID   string `arg:"" optional:"" help:"Which backup. Default: the newest." placeholder:"BACKUP"`
	Deep bool   `help:"Also read every object against its digest, and every event."`
	JSON bool   `help:"Print the report as JSON." name:"json"`
}

func (backupVerifyCommand) Help() string {
	return `The manifests of the log must be there and follow one another to the hash that the backup names, and every object must be there with its size.

Exit code: 0 the backup is sound; 1 it is not; 2 it could not be told.

Examples:

    gakushoku backup verify --from /mnt/backup/canteen
    gakushoku backup verify --from /mnt/backup/canteen --deep`
}

func (c *backupVerifyCommand) Run(p *program) error {
	from, found, err := c.find(p, c.ID)
	if errors.Is(err, backup.ErrDamaged) {
		return err
	}
	if err != nil {
		return couldNotTell(err)
	}
	began := time.Now()
	line := newProgressLine(p)
	report, err := backup.Verify(p.ctx, from, found, c.Deep, line.copying("verifying"))
	line.end()
	if err == nil {
		err = p.present(c.JSON, report, func() { p.showBackupReport(report, time.Since(began)) })
	}
	return judged(err, report != nil && report.Sound, "the backup")
}

func (p *program) showBackupReport(r *backup.Report, took time.Duration) {
	p.printf("backup %s: %s in %s looked at in %s\n", r.Backup, plural(int64(r.Events), "event"), plural(int64(r.Segments), "segment"), took.Round(time.Millisecond))
	for _, problem := range r.Problems {
		p.printf("  %s\n", plain(problem))
	}
	if more := r.Total - len(r.Problems); more > 0 {
		p.printf("  and %d more\n", more)
	}
	if r.Sound {
		p.printf("The backup is sound.\n")
		return
	}
	p.printf("%s: while the canteen is well, the next backup copies again what is missing; choose an older backup to restore.\n", plural(int64(r.Total), "problem"))
}

type backupPruneCommand struct {
	To     string `help:"Where the backups are." env:"GAKUSHOKU_BACKUP_PLACE" placeholder:"PLACE" required:""`
	Keep   days   `help:"Keep backups that are younger, such as 30d or 12h. Default: ${default}." default:"30d" placeholder:"AGE"`
	DryRun bool   `help:"Only say what would be removed."`
	JSON   bool   `help:"Print JSON." name:"json"`
}

func (backupPruneCommand) Help() string {
	return `The newest backup is always kept. Then objects go that neither a backup that is left nor the log in the place needs, if they are older than a day.

Examples:

    gakushoku backup prune --to /mnt/backup/canteen --keep 30d --dry-run`
}

func (c *backupPruneCommand) Run(p *program) error {
	to, err := p.openPlace("--to", c.To)
	if err != nil {
		return err
	}
	pruned, err := backup.Prune(p.ctx, to, time.Duration(c.Keep), time.Now(), observe.NewID(), c.DryRun)
	if err != nil {
		return err
	}
	return p.present(c.JSON, pruned, func() {
		verb := "removed"
		if c.DryRun {
			verb = "would be removed"
		}
		p.printf("%s and %s with %s %s; %s left\n", plural(int64(len(pruned.Removed)), "backup"), plural(int64(pruned.Objects), "object"),
			plural(pruned.Bytes, "byte"), verb, plural(int64(pruned.Kept), "backup"))
	})
}
