package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/app/operator"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/eventio"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/engine/replay"
	"gakushoku/internal/event"
	"gakushoku/internal/store/sqlite"
)

type replayCommand struct {
	Until moment `help:"Up to which moment: a time, or how long ago, such as 24h." placeholder:"TIME" required:""`
	Out   string `help:"Write the orders as they were then as JSONL; - is standard output." placeholder:"FILE" xor:"where" required:""`
	Into  string `help:"Make a data folder of its own with the events up to then and their read models; it must not be there yet." placeholder:"DIR" xor:"where" required:""`
	awsFlag
}

func (replayCommand) Help() string {
	return `Shows the read models as they were at a moment, from the numbered log. Nothing that is there is changed. A data folder that has lost its event store still has the log. Events that contradict those before them in the log, as of orders taken on an older copy of the event store, are named and left out by --into, which then ends with 1.

Examples:

    gakushoku events replay --until 2026-01-24T12:00:00+09:00 --out -
    gakushoku events replay --until 24h --into /tmp/yesterday
    gakushoku projection list --data /tmp/yesterday`
}

func (c *replayCommand) Run(p *program) error {
	if c.AWS != "" {
		return p.withInstallation(c.awsFlag, func(i *operator.Installation) error { return c.replay(p, i.EachEvent) })
	}
	began := false
	err := p.withFolder(false, func(folder *embedded.Folder) error {
		if err := errors.Join(folder.CheckEvents(p.ctx), folder.Archive(p.ctx)); err != nil {
			return err
		}
		began = true
		return c.replay(p, folder.EachEvent)
	})
	if err == nil || began || p.ctx.Err() != nil || errors.Is(err, embedded.ErrOtherUser) || !embedded.HasLog(p.data) {
		return err
	}
	// The log is complete by itself, regardless of the other files.
	fmt.Fprintf(p.stderr, "%s; this is what is in its log\n", oneLine(err))
	return c.replay(p, func(ctx context.Context, f func(*event.Event) error) error {
		return embedded.EachArchived(ctx, p.data, f)
	})
}

// reading calls f with every event of a log, in order.
type reading func(ctx context.Context, f func(*event.Event) error) error

func (c *replayCommand) replay(p *program, each reading) error {
	lines, stop := linesUntil(p.ctx, each, c.Until.instant())
	defer stop()
	if c.Into != "" {
		return c.into(p, lines)
	}
	return c.out(p, lines)
}

// linesUntil reads the events that occurred up to a moment as JSONL.
func linesUntil(ctx context.Context, each reading, until event.Instant) (lines io.Reader, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	r, w := io.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		out := bufio.NewWriterSize(w, 1<<20)
		var line []byte
		err := each(ctx, func(e *event.Event) error {
			if e.OccurredAt > until {
				return nil
			}
			line = append(event.AppendJSON(line[:0], e), '\n')
			_, err := out.Write(line)
			return err
		})
		w.CloseWithError(errors.Join(err, out.Flush())) //nolint:errcheck // it never fails
	}()
	return r, func() {
		cancel()
		r.Close() //nolint:errcheck // it never fails
		<-ended
	}
}

// out folds the lines and writes the rows.
func (c *replayCommand) out(p *program, lines io.Reader) error {
	result, err := replay.FromReader(p.ctx, lines, replay.Options{Definition: readmodel.Orders(), Name: "the log"})
	if err != nil {
		return err
	}
	warn(p.ctx, result)
	if result.Events == 0 {
		fmt.Fprintf(p.stderr, "The log has no event up to %s.\n", c.Until.instant())
	}
	if c.Out == "-" {
		_, err := writeRows(p.ctx, p.stdout, result)
		return err
	}
	err = replaceFile(c.Out, func(w io.Writer) error {
		_, err := writeRows(p.ctx, w, result)
		return err
	})
	if err != nil {
		return err
	}
	return p.printf("%s of %s in %s, as of %s\n", plural(int64(result.Len()), "row"), plural(result.Events, "event"), c.Out, c.Until.instant())
}

// into imports the lines into a new folder. If that fails, it removes the folder, which could be mistaken for
// a complete one.
func (c *replayCommand) into(p *program, lines io.Reader) error {
	entries, err := os.ReadDir(c.Into)
	if len(entries) > 0 {
		return usagef("--into %s: the folder is not empty", c.Into)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("making %s: %w", c.Into, err)
	}
	report, rows, err := c.fill(p, lines)
	if err != nil {
		return errors.Join(fmt.Errorf("making %s: %w", c.Into, err), os.RemoveAll(c.Into))
	}
	err = p.printf("%s and %s in %s, as of %s\n", plural(int64(report.Imported), "event"), plural(rows, "row"), c.Into, c.Until.instant())
	p.tellBad("event of the log", report.Bad, report.BadLines)
	if err == nil && report.BadLines > 0 {
		err = fmt.Errorf("%s of the log contradicts what is before it and was left out, see above: the rest is in %s", plural(int64(report.BadLines), "event"), c.Into)
	}
	return err
}

// fill creates the folder. It leaves out events that contradict earlier ones, as when an older copy of the
// event store accepted orders.
func (c *replayCommand) fill(p *program, lines io.Reader) (report eventio.Report, rows int64, err error) {
	folder, err := embedded.OpenFolder(p.ctx, c.Into)
	if err != nil {
		return report, 0, err
	}
	line := newProgressLine(p)
	report, err = eventio.Import(p.ctx, lines, folder.Transfer(), eventio.Options{MaxEventBytes: sqlite.MaxEventBytes, Stored: true, SkipBad: true, Progress: line.importing()})
	line.end()
	if err == nil && report.Imported == 0 && report.BadLines > 0 {
		err = fmt.Errorf("none of %s could be taken, the first because of this: %s", plural(int64(report.BadLines), "event"), report.Bad[0].Reason)
	}
	if err == nil {
		var run rebuild.Run
		if run, err = folder.Rebuild(p.ctx, rebuild.Request{Projection: readmodel.OrdersName, AllowParked: report.Streams}, operator.RebuildOptions{}); err == nil {
			rows = run.Replay.Rows
		}
	}
	return report, rows, errors.Join(err, folder.Close())
}
