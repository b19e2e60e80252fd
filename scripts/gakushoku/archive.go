package main

import (
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/app/operator"
	"gakushoku/internal/engine/logcheck"
	"gakushoku/internal/engine/retire"
)

type archiveCommands struct {
	Status           archiveStatusCommand  `cmd:"" help:"Show where the log stands."`
	Stats            archiveStatsCommand   `cmd:"" help:"Show figures about the log: events, segments, bytes."`
	Verify           archiveVerifyCommand  `cmd:"" help:"Compare the log with itself and, with --deep, with every event."`
	RestoreManifests archiveRestoreCommand `cmd:"" help:"Bring back control records that were lost, from what lies beside the segments."`
	Retire           retireCommand         `cmd:"" help:"Delete the events of closed streams from the event store, which the log has."`
	Restore          unretireCommand       `cmd:"" help:"Put the retired events of one stream back into the event store."`
	Sweep            archiveSweepCommand   `cmd:"" help:"Remove objects that never became part of the log."`
}

// withArchive opens the log for f.
func (p *program) withArchive(on awsFlag, f func(*logcheck.Log) error) error {
	return p.withPartly(on, embedded.NumberedLog, func(i *operator.Installation) error { return f(i.LogCheck) })
}

type archiveStatusCommand struct {
	JSON bool `help:"Print JSON." name:"json"`
	awsFlag
}

func (archiveStatusCommand) Help() string {
	return `The log is the numbered, immutable copy of all events that rebuilds, backups and audits read. A running server brings it up to date within seconds.

Exit code: 0; 1 objects of the log are missing, or the parts of the installation do not belong together; 2 it could not be told.

Examples:

    gakushoku archive status
    gakushoku archive status --json`
}

func (c *archiveStatusCommand) Run(p *program) error {
	var status logcheck.Status
	err := p.withArchive(c.awsFlag, func(log *logcheck.Log) (err error) {
		if status, err = log.Status(p.ctx); err != nil {
			return err
		}
		return p.present(c.JSON, status, func() { p.showArchiveStatus(&status) })
	})
	if err == nil && status.Misfit != "" && status.Lost == 0 {
		return errors.New("the parts of the installation do not belong together")
	}
	return complete(err, status.Lost)
}

// complete returns the outcome of a command on a log that may lack objects.
func complete(err error, lost int) error {
	if err == nil && lost > 0 {
		return fmt.Errorf("the objects of %s are missing: make them again with `gakushoku archive verify --fix`, or restore them from a backup", plural(int64(lost), "segment"))
	}
	return couldNotTell(err)
}

func (p *program) showArchiveStatus(s *logcheck.Status) {
	last := ""
	if s.Head.Segments > 0 {
		last = fmt.Sprintf(", the last one committed at %s, %s ago", s.Head.CommittedAt, age(time.Duration(s.AgeMs)*time.Millisecond))
	}
	p.printf("%s in %s%s\n", plural(int64(s.Head.Number), "event"), plural(int64(s.Head.Segments), "segment"), last)
	if s.Misfit != "" {
		p.printf("%s\n", plain(s.Misfit))
	}
	switch {
	case s.Waiting == nil:
	case *s.Waiting == 0:
		p.printf("Nothing waits to be archived.\n")
	default:
		p.printf("%s to be archived: a running server does that, and so does a rebuild\n", waiting(*s.Waiting))
	}
}

func waiting(n uint64) string {
	if n == 1 {
		return "1 event waits"
	}
	return fmt.Sprintf("%d events wait", n)
}

type archiveStatsCommand struct {
	Repeats bool `help:"Read the whole log to count streams, and events that are in it again."`
	JSON    bool `help:"Print JSON." name:"json"`
	awsFlag
}

func (archiveStatsCommand) Help() string {
	return `The figures about the log come from the manifests, so they are there at once; --repeats reads all segments. In a data folder the event store is counted too: hot events are there, retired ones only in the log.

Exit code: 0; 1 objects of the log are missing, and then nothing is read; 2 it could not be told.

Examples:

    gakushoku archive stats
    gakushoku archive stats --repeats --json`
}

func (c *archiveStatsCommand) Run(p *program) error {
	var stats archiveStats
	err := p.withPartly(c.awsFlag, embedded.NumberedLog, func(i *operator.Installation) (err error) {
		if stats.Stats, err = i.LogCheck.Stats(p.ctx, c.Repeats); err != nil {
			return err
		}
		if i.Retirer != nil {
			counted, err := i.Retirer.Stats(p.ctx)
			if err != nil {
				return err
			}
			stats.Store = &counted
		}
		return p.present(c.JSON, stats, func() { p.showArchiveStats(&stats) })
	})
	return complete(err, stats.Lost)
}

// archiveStats are the figures of a log and, in a data folder, of its event store.
type archiveStats struct {
	logcheck.Stats
	Store *retire.Stats `json:"store,omitempty"`
}

func (p *program) showArchiveStats(s *archiveStats) {
	if s.Segments == 0 {
		p.printf("The log is empty.\n")
	} else {
		p.showLogStats(&s.Stats)
	}
	if s.Store != nil {
		p.printf("%-10s %s\n%-10s %s\n", "hot", shareLine(&s.Store.Hot, "the oldest of"), "retired", shareLine(&s.Store.Retired, "since"))
	}
}

func shareLine(s *retire.Share, oldest string) string {
	text := fmt.Sprintf("%s in %s", plural(s.Events, "event"), plural(s.Streams, "stream"))
	if s.Bytes > 0 {
		text += ", " + plural(s.Bytes, "byte")
	}
	if s.Oldest != 0 {
		text += fmt.Sprintf(", %s %s", oldest, s.Oldest)
	}
	return text
}

func (p *program) showLogStats(s *logcheck.Stats) {
	lines := [][2]string{
		{"events", fmt.Sprint(s.Events)},
		{"segments", fmt.Sprintf("%d, the largest of %s and %s", s.Segments, plural(int64(s.LargestEvents), "event"), plural(s.LargestBytes, "byte"))},
		{"bytes", fmt.Sprintf("%d, of %d uncompressed: 1 to %.1f", s.Bytes, s.RawBytes, s.Ratio)},
		{"happened", fmt.Sprintf("%s to %s", s.OldestAt, s.NewestAt)},
		{"committed", fmt.Sprintf("%s to %s", s.FirstCommitAt, s.LastCommitAt)},
	}
	if s.Repeats != nil {
		lines = append(lines, [2]string{"streams", fmt.Sprint(*s.Streams)}, [2]string{"repeats", fmt.Sprint(*s.Repeats)})
	}
	for _, line := range lines {
		p.printf("%-10s %s\n", line[0], line[1])
	}
}
