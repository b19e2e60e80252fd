package main

import (
	"fmt"
	"strings"
	"time"

	"gakushoku/internal/engine/logcheck"
)

type archiveVerifyCommand struct {
	Deep bool `help:"Read every object against its digest and every line of it, and compare with every stream of the event store."`
	Fix  bool `help:"Append to the log what the event store has and the log lacks, make lost objects again, and write missing manifests. Needs --deep for events."`
	JSON bool `help:"Print the report as JSON." name:"json"`
	awsFlag
}

func (archiveVerifyCommand) Help() string {
	return `Numbers must be dense, the object of each segment must be there and its manifest must lie beside it. With --deep every object is read and compared with the event store, stream by stream. The server may go on: events that are on their way into the log are waited for.

Objects that are missing or damaged are made again by --fix, with the same numbers, when the event store of a data folder has their events (damaged ones need --deep); on AWS restore them from a backup (S3 keeps older versions). A log whose control records and manifests are all gone is made anew by --deep --fix, when the event store has every event that is left of it. Repeats, the same event twice in the log, are counted; they do no harm.

Exit code: 0 the log is sound, or is after --fix; 1 it is not; 2 it could not be told.

Examples:

    gakushoku archive verify
    gakushoku archive verify --deep --json
    gakushoku archive verify --deep --fix`
}

func (c *archiveVerifyCommand) Run(p *program) error {
	var report *logcheck.Report
	started := time.Now()
	err := p.withArchive(c.awsFlag, func(log *logcheck.Log) (err error) {
		options := logcheck.Options{Deep: c.Deep, Fix: c.Fix}
		end := p.archiveProgress(&options)
		report, err = log.Verify(p.ctx, options)
		end()
		if err != nil {
			return err
		}
		return p.present(c.JSON, report, func() { p.showArchiveReport(report, time.Since(started)) })
	})
	return judged(err, report != nil && report.Sound, "the log")
}

// judged returns the outcome of a command that judges.
func judged(err error, sound bool, what string) error {
	if err == nil && !sound {
		return fmt.Errorf("%s is not sound", what)
	}
	return couldNotTell(err)
}

// archiveProgress shows the progress of a deep verification until end is called.
func (p *program) archiveProgress(o *logcheck.Options) (end func()) {
	line := newProgressLine(p)
	o.Progress = func(at logcheck.Progress) {
		part := ""
		if at.Parts > 1 {
			part = fmt.Sprintf("part %d of %d: ", at.Part, at.Parts)
		}
		line.show("%s%d events of the log read, %d of the store compared, %s", part, at.Read, at.Compared, plural(int64(at.Problems), "problem"))
	}
	return line.end
}

func (p *program) showArchiveReport(r *logcheck.Report, took time.Duration) {
	p.printf("%s in %s, %s, looked at in %s\n", plural(int64(r.Head.Number), "event"), plural(int64(r.Head.Segments), "segment"),
		plural(r.Bytes, "byte"), took.Round(time.Millisecond))
	if r.Deep {
		p.printf("%s of %s compared; the log has %s\n", plural(int64(r.Events), "event"), plural(int64(r.Streams), "stream"), plural(int64(r.Repeats), "repeat"))
	}
	if r.Orphans > 0 {
		p.printf("%s of no segment, %s: gakushoku archive sweep\n", plural(int64(r.Orphans), "object"), plural(r.OrphanBytes, "byte"))
	}
	p.showFindings(&r.Findings)
	p.printf("%s\n", archiveVerdict(r))
}

// archiveVerdict summarises a verification and says what to do.
func archiveVerdict(r *logcheck.Report) string {
	left := r.Total() - r.Mended()
	switch {
	case r.Total() == 0:
		return "The log is sound."
	case left == 0:
		return fmt.Sprintf("%s fixed: the log is sound now.", plural(int64(r.Mended()), "problem"))
	case r.Counts[logcheck.SealDiffers]+r.Counts[logcheck.SealInvalid]+r.Counts[logcheck.LogCut] > 0:
		return "The log is not the one that was signed, so nothing is fixed: gakushoku audit verify, and infra/runbooks/audit-broken.md."
	case r.Counts[logcheck.ManifestExtra] > 0 || r.Counts[logcheck.WrongHead] > 0:
		return "Control records were lost: gakushoku archive restore-manifests"
	case r.Counts[logcheck.BadManifest] > 0:
		return "The ledger is damaged: move log.db away, then gakushoku archive restore-manifests"
	case r.Counts[logcheck.ObjectMissing]+r.Counts[logcheck.ObjectDamaged] > 0:
		return "Objects are missing or damaged: gakushoku archive verify --deep --fix makes them again from the event store of a data folder; on AWS, or when that says it cannot, restore them from a backup and verify again."
	case fixable(r) > 0:
		return fmt.Sprintf("%s can be fixed: gakushoku archive verify --deep --fix", plural(int64(fixable(r)), "problem"))
	}
	return fmt.Sprintf("%s cannot be fixed here.", plural(int64(left), "problem"))
}

// fixable returns how many problems --fix would fix.
func fixable(r *logcheck.Report) (n int) {
	for _, kind := range []logcheck.Kind{logcheck.EventMissing, logcheck.ManifestMissing, logcheck.ManifestDiffers} {
		n += r.Counts[kind] - r.Fixed[kind]
	}
	return n
}

// maxShown bounds how many problems are listed.
const maxShown = 20

// showFindings lists problems, with a count of each kind.
func (p *program) showFindings(f *logcheck.Findings) {
	if f.Total() == 0 {
		return
	}
	var counts []string
	for _, kind := range logcheck.Kinds {
		if n := f.Counts[kind]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, kind))
		}
	}
	p.printf("\n%s: %s\n", plural(int64(f.Total()), "problem"), strings.Join(counts, ", "))
	table := newTable(p.stdout, "KIND\tWHERE\tEVENT\tWHAT")
	shown := f.Problems[:min(len(f.Problems), maxShown)]
	for i := range shown {
		table.line("%s\t%s\t%s\t%s", orFixed(string(shown[i].Kind), shown[i].Fixed), plain(whereIs(&shown[i])), orDash(plain(shown[i].EventID)), orDash(plain(shown[i].Detail)))
	}
	table.Flush()
	p.printMore(f.Total() - len(shown))
}

// orFixed returns the kind of a problem, and whether it was fixed.
func orFixed(kind string, fixed bool) string {
	if fixed {
		return kind + ", fixed"
	}
	return kind
}

// printMore ends an incomplete list of problems.
func (p *program) printMore(more int) {
	if more > 0 {
		p.printf("... and %d more\n", more)
	}
	p.printf("\n")
}

// whereIs returns what a problem concerns.
func whereIs(problem *logcheck.Problem) string {
	var parts []string
	if problem.Segment > 0 {
		parts = append(parts, fmt.Sprintf("segment %d", problem.Segment))
	}
	if problem.Number > 0 {
		parts = append(parts, fmt.Sprintf("event %d", problem.Number))
	}
	if problem.Stream != "" {
		parts = append(parts, fmt.Sprintf("%s version %d", problem.Stream, problem.Version))
	}
	if problem.Key != "" {
		parts = append(parts, problem.Key)
	}
	return orDash(strings.Join(parts, ", "))
}
