package main

import (
	"fmt"
	"time"

	"gakushoku/internal/engine/logcheck"
)

type archiveRestoreCommand struct {
	JSON bool `help:"Print the report as JSON." name:"json"`
	awsFlag
}

func (archiveRestoreCommand) Help() string {
	return `The log's control records (its head and the list of segments) may be lost, or replaced by an older copy from a backup. Every segment's manifest lies beside it too: this command brings the control records up to those. What is there already must be the same. It may be repeated.

Exit code: 0 the manifests fit; 1 they do not; 2 it could not be told.

Examples:

    gakushoku archive restore-manifests
    gakushoku archive restore-manifests --json`
}

func (c *archiveRestoreCommand) Run(p *program) error {
	var restored logcheck.Restored
	err := p.withArchive(c.awsFlag, func(log *logcheck.Log) (err error) {
		if restored, err = log.RestoreManifests(p.ctx); err != nil {
			return err
		}
		return p.present(c.JSON, restored, func() {
			p.showFindings(&restored.Findings)
			p.printf("%s read: the log went from %s in %s to %s in %s\n", plural(int64(restored.Manifests), "manifest"),
				plural(int64(restored.Before.Number), "event"), plural(int64(restored.Before.Segments), "segment"),
				plural(int64(restored.After.Number), "event"), plural(int64(restored.After.Segments), "segment"))
		})
	})
	return judged(err, restored.Sound, "what lies beside the segments")
}

type archiveSweepCommand struct {
	OlderThan time.Duration `help:"Leave younger objects alone: they may be on their way into the log. Default: ${default}." default:"24h" placeholder:"DURATION"`
	DryRun    bool          `help:"Only tell what would be removed."`
	JSON      bool          `help:"Print the report as JSON." name:"json"`
	awsFlag
}

func (archiveSweepCommand) Help() string {
	return `An archiver that dies between writing an object and committing it leaves the object behind. It does no harm, but takes room.

Exit code: 0, or 2 when it could not be done or told.

Examples:

    gakushoku archive sweep --dry-run
    gakushoku archive sweep --older-than 48h`
}

func (c *archiveSweepCommand) Run(p *program) error {
	if c.OlderThan < logcheck.MinSweepAge {
		return usagef("--older-than: at least %s, since younger objects may be on their way into the log", logcheck.MinSweepAge)
	}
	return couldNotTell(p.withArchive(c.awsFlag, func(log *logcheck.Log) error {
		swept, err := log.Sweep(p.ctx, c.OlderThan, c.DryRun)
		if err != nil {
			return err
		}
		return p.present(c.JSON, swept, func() { p.showSwept(&swept) })
	}))
}

func (p *program) showSwept(s *logcheck.Swept) {
	did := "removed"
	if s.DryRun {
		did = "to be removed"
	}
	for _, key := range s.Keys {
		p.printf("%s\n", key)
	}
	young := ""
	if s.Young > 0 {
		young = fmt.Sprintf("; %d younger ones stay", s.Young)
	}
	p.printf("%s, %s, %s%s\n", plural(int64(s.Objects), "object"), plural(s.Bytes, "byte"), did, young)
}
