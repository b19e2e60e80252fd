package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/canteen"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/eventio"
	"gakushoku/internal/event"
	"gakushoku/internal/store/sqlite"
)

type eventsCommands struct {
	Import importCommand       `cmd:"" help:"Add the events of a JSONL file to the data folder."`
	Export exportCommand       `cmd:"" help:"Write events as JSONL to standard output, in the order of the log."`
	Show   showCommand         `cmd:"" help:"Show the events of one stream."`
	Replay replayCommand       `cmd:"" help:"Show the read models as they were at a moment."`
	Verify eventsVerifyCommand `cmd:"" help:"Look for events that must not be there, and for holes."`
}

type importCommand struct {
	File            string `arg:"" predictor:"file" help:"JSONL file, one event a line; - is standard input."`
	SkipBad         bool   `help:"Import the good lines of a file that has bad ones, and keep the bad lines in a file."`
	BadFile         string `help:"Where --skip-bad keeps the bad lines; FILE.bad if not given. A file that is there is left as it is." placeholder:"FILE"`
	AllowUnfoldable bool   `help:"Also import events that cannot follow those before them, such as a second OrderPlaced."`
	KeepActors      bool   `help:"Keep who caused the events, which decides whose orders they are. Without it they belong to nobody. Only for a file of this installation, or of one whose callers are the same."`
	JSON            bool   `help:"Print the report as JSON." name:"json"`
}

func (importCommand) Help() string {
	return `The whole file is checked before anything is imported: each line by itself, its place in its stream, and whether it can follow the events before it. Events that are there already are left alone, so a file can be imported again. An event without a stream belongs to its payload's order; one without a version follows the event before it in the file. Read models follow while a server runs on the folder; otherwise "gakushoku projection rebuild" brings them up to date. Commands of a running server go on meanwhile. An import that was cut off goes on where it ended when it is run again.

Examples:

    gakushoku events import orders.jsonl
    zcat backup.jsonl.gz | gakushoku events import -
    gakushoku events import orders.jsonl --skip-bad --bad-file bad.jsonl
    gakushoku events import moved.jsonl --keep-actors`
}

func (c *importCommand) Run(p *program) error {
	report, err := p.importFile(importing{c.File, c.SkipBad, c.BadFile, c.AllowUnfoldable, c.KeepActors})
	if c.JSON && (err == nil || errors.Is(err, eventio.ErrBadLines)) {
		return errors.Join(err, p.printJSON(report))
	}
	if err != nil {
		return err
	}
	return p.printf("%s: %s of %s: %d imported, %d already there, %d bad\n", inputName(c.File),
		plural(int64(report.Events), "event"), plural(int64(report.Streams), "stream"), report.Imported, report.AlreadyThere, report.BadLines)
}

// importing are the parameters of an import.
type importing struct {
	path            string
	skipBad         bool
	badPath         string
	allowUnfoldable bool
	keepActors      bool
}

// importFile imports a file into the data folder, and reports bad lines on standard error.
func (p *program) importFile(i importing) (eventio.Report, error) {
	path := i.path
	bad, err := newBadFile(path, i.skipBad, i.badPath)
	if err != nil {
		return eventio.Report{}, err
	}
	in, err := p.input(path)
	if err != nil {
		return eventio.Report{}, err
	}
	defer in.Close()
	var report eventio.Report
	err = p.withFolder(true, func(folder *embedded.Folder) (err error) {
		if err := folder.CheckChanges(p.ctx); err != nil {
			return err
		}
		line := newProgressLine(p)
		defer line.end()
		options := eventio.Options{SkipBad: i.skipBad, MaxEventBytes: sqlite.MaxEventBytes, Follow: canteen.Follow, Unfoldable: i.allowUnfoldable, DropActors: !i.keepActors, Progress: line.importing()}
		if i.skipBad {
			options.BadWriter = bad
		}
		report, err = eventio.Import(p.ctx, in, folder.Transfer(), options)
		return err
	})
	err = errors.Join(err, bad.Close())
	p.tellBad(inputName(path), report.Bad, report.BadLines)
	switch {
	case errors.Is(err, eventio.ErrBadLines):
		err = fmt.Errorf("%s: %w, nothing was imported: fix the file, or leave the bad lines out with --skip-bad%s", inputName(path), err, takeThem(report))
	case err != nil:
		err = fmt.Errorf("importing %s: %w", inputName(path), err)
		if report.Imported > 0 {
			fmt.Fprintf(p.stderr, "%s: the first %s of the file are in; import it again to go on from there.\n", inputName(path), plural(int64(report.Imported), "new event"))
		}
	case report.Unfoldable > 0 && i.allowUnfoldable:
		fmt.Fprintf(p.stderr, "%s: %s cannot be folded: commands on their streams are refused, and read models park them.\n", inputName(path), plural(int64(report.Unfoldable), "event"))
	case bad.file != nil:
		fmt.Fprintf(p.stderr, "The bad lines are in %s.\n", bad.path)
	}
	return report, err
}

// takeThem says how to import events that cannot be folded; "" if there are none.
func takeThem(r eventio.Report) string {
	if r.Unfoldable == 0 {
		return ""
	}
	return ", or take the " + plural(int64(r.Unfoldable), "event") + " that cannot be folded with --allow-unfoldable"
}

// maxTold bounds the number of bad lines listed.
const maxTold = 20

func (p *program) tellBad(path string, bad []eventio.BadLine, count int) {
	for _, b := range bad[:min(len(bad), maxTold)] {
		fmt.Fprintf(p.stderr, "%s:%d: %s\n", path, b.Line, b.Reason)
	}
	if count > maxTold {
		fmt.Fprintf(p.stderr, "... and %d more\n", count-maxTold)
	}
}

// sameFile reports whether two paths lead to the same existing file.
func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

type exportCommand struct {
	Stream string `help:"Only this stream, such as order-o1." placeholder:"STREAM"`
	Since  moment `help:"Only what happened since then: a time, or how long ago, such as 24h." placeholder:"TIME"`
}

func (exportCommand) Help() string {
	return `All events, or all of a stream, can be imported again, here or elsewhere, byte for byte. With --since it is a cut, which may begin inside a stream: it is good for reading, for counting, and for bringing a folder up to date that has the events before it, such as yesterday's backup. Elsewhere "gakushoku events import" refuses it. When the event store is lost or damaged, "gakushoku events replay --into" makes a new folder of what is in the log.

Examples:

    gakushoku events export > backup.jsonl
    gakushoku events export --since 2026-01-24T00:00:00+09:00 | wc -l
    gakushoku events export --stream order-o1`
}

func (c *exportCommand) Run(p *program) error {
	return p.withParts(embedded.EventStore, func(folder *embedded.Folder) error {
		options := eventio.ExportOptions{Stream: c.Stream, Since: c.Since.instant()}
		if !isTerminal(p.stdout) { // otherwise the events themselves show the progress
			line := newProgressLine(p)
			defer line.end()
			total, err := folder.Events.Head(p.ctx)
			if err != nil {
				return err
			}
			options.Progress = func(read int64) { line.step("exporting", read, int64(total), "event") }
		}
		_, err := eventio.Export(p.ctx, folder.Transfer(), p.stdout, options)
		return err
	})
}

type showCommand struct {
	Stream string `arg:"" help:"The stream, such as order-o1, or the order's id."`
	JSON   bool   `help:"Print the events as JSONL." name:"json"`
}

func (showCommand) Help() string {
	return `Examples:

    gakushoku events show order-o1
    gakushoku events show o1 --json`
}

func (c *showCommand) Run(p *program) error {
	return p.withParts(embedded.EventStore, func(folder *embedded.Folder) error {
		for _, stream := range []string{c.Stream, order.Stream(c.Stream)} {
			events, err := folder.Ports.Events.Load(p.ctx, stream, 0)
			if err != nil {
				return err
			}
			if len(events) > 0 {
				return p.showEvents(events, c.JSON)
			}
		}
		return fmt.Errorf("%w: %s", eventio.ErrNoStream, c.Stream)
	})
}

func (p *program) showEvents(events []event.Event, asJSON bool) error {
	if asJSON {
		var line []byte
		for i := range events {
			line = append(event.AppendJSON(line[:0], &events[i]), '\n')
			if _, err := p.stdout.Write(line); err != nil {
				return err
			}
		}
		return nil
	}
	table := newTable(p.stdout, "VERSION\tOCCURRED AT\tTYPE\tCORRELATION ID\tACTOR\tPAYLOAD")
	for i := range events {
		e := &events[i]
		table.line("%d\t%s\t%s\t%s\t%s\t%s", e.Version, e.OccurredAt, e.Type, orDash(e.CorrelationID), orDash(e.Actor), shortPayload(e.Payload))
	}
	return table.Flush()
}

func orDash[S ~string](s S) string {
	if s == "" {
		return "-"
	}
	return string(s)
}

// shortPayload returns a payload on one line of the table, without control characters.
func shortPayload(payload []byte) string {
	const limit = 120
	var b bytes.Buffer
	if err := json.Compact(&b, payload); err != nil {
		b.Write(payload)
	}
	text := []rune(plain(b.String()))
	if len(text) > limit {
		return string(text[:limit]) + "..."
	}
	return string(text)
}

// plain replaces control characters, which must not reach the terminal.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
