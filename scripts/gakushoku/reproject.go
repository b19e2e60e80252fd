package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/eventio"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/engine/replay"
	"gakushoku/internal/observe"
)

type reprojectCommand struct {
	From     string `help:"JSONL file, one event a line; - is standard input." required:"" placeholder:"FILE"`
	Out      string `help:"Write the rows there as JSONL; - is standard output. With neither --out nor --data a few rows are printed." placeholder:"FILE"`
	LogApply bool   `help:"Log every event as reproject:apply, with its correlation id; so does --log-level debug."`
	SkipBad  bool   `help:"Go on without lines that are not events."`
	BadFile  string `help:"Where --skip-bad keeps the bad lines; FILE.bad if not given. A file that is there is left as it is." placeholder:"FILE"`
}

func (reprojectCommand) Help() string {
	return `Replays the events of a file into the rows of the orders read model. With --data DIR on the command line the events are imported into that data folder, unless they are there already, and its read model is rebuilt from all that it has.

On a terminal a progress bar is shown; elsewhere reproject:start and reproject:done are logged to standard error as JSON. A stream with an event that cannot be applied, such as the payment of an unknown order, is parked with a warning; the others go on.

Examples:

    gakushoku reproject --from events.jsonl
    gakushoku reproject --from events.jsonl --out orders.jsonl
    gakushoku reproject --from events.jsonl --log-apply 2>apply.log
    gakushoku reproject --from events.jsonl --data /var/lib/gakushoku`
}

func (c *reprojectCommand) Run(p *program) error {
	if c.Out != "" && p.dataGiven {
		return usagef("--out and --data: choose one")
	}
	if p.dataGiven {
		return c.intoFolder(p)
	}
	if c.Out != "" && sameFile(c.Out, c.From) {
		return usagef("--out %s is the file that is read", c.Out)
	}
	result, took, err := c.replay(p)
	if err != nil {
		return err
	}
	return c.deliver(p, result, took)
}

// intoFolder imports the file and rebuilds the folder's read model.
func (c *reprojectCommand) intoFolder(p *program) error {
	report, err := p.importFile(importing{c.From, c.SkipBad, c.BadFile, true, false})
	if err != nil {
		return err
	}
	return p.withFolder(true, func(folder *embedded.Folder) error {
		started := time.Now()
		// An event that cannot be applied, such as the payment of an unknown order, is only a warning.
		run, err := p.runRebuild(folder.Installation, rebuild.Request{Projection: readmodel.OrdersName, AllowParked: math.MaxInt}, "")
		if err != nil {
			return err
		}
		for _, stream := range run.Replay.ParkedSample {
			observe.Logger(p.ctx).Warn().Str("error", stream).Msg("reproject:parked")
		}
		return p.printf("%s: count %s (%d new), size %s of %s, in %s%s\n", inputName(c.From), plural(int64(report.Events), "event"), report.Imported,
			plural(run.Replay.Rows, "row"), p.data, time.Since(started).Round(time.Millisecond), setAside(run.Replay.Parked))
	})
}

// maxWarnings bounds the warnings about single streams after a replay; the summary counts all of them.
const maxWarnings = 100

// replay computes the rows.
func (c *reprojectCommand) replay(p *program) (*replay.Result, time.Duration, error) {
	bad, err := newBadFile(c.From, c.SkipBad, c.BadFile)
	if err != nil {
		return nil, 0, err
	}
	in, err := p.input(c.From)
	if err != nil {
		return nil, 0, err
	}
	defer in.Close()
	logApply := c.LogApply || p.level <= zerolog.DebugLevel
	show := newProgress(p, inputName(c.From), in, !logApply)
	list := &badList{program: p, name: inputName(c.From), file: bad}
	options := replay.Options{Definition: readmodel.Orders(), Name: inputName(c.From), Progress: show.update, Strict: true}
	if c.SkipBad {
		options.OnBad = list.add
	}
	if logApply {
		options.EventLog = replay.NewEventLog(p.logWriter(), zerolog.DebugLevel, "cli")
	}
	started := time.Now()
	show.start(p.ctx)
	result, err := replay.FromReader(p.ctx, in, options)
	took := time.Since(started)
	show.end(p.ctx, result, took, err)
	if err = errors.Join(err, bad.Close()); err != nil {
		var line *replay.BadLine
		if errors.As(err, &line) && !c.SkipBad && !errors.Is(err, replay.ErrLineTooLong) {
			err = fmt.Errorf("%w: fix the line, or leave bad lines out with --skip-bad", err)
		}
		return nil, 0, err
	}
	list.tell()
	if !logApply {
		warn(p.ctx, result)
	}
	return result, took, nil
}

// warn logs the streams whose rows are incomplete, unless there is a log line for every event.
func warn(ctx context.Context, result *replay.Result) {
	log := observe.Logger(ctx)
	for _, s := range result.Parked[:min(len(result.Parked), maxWarnings)] {
		log.Warn().Str(observe.FieldStream, s.Stream).Str(observe.FieldEventID, s.EventID).Uint64(observe.FieldVersion, s.EventVersion).
			Int64("line", s.Line).Str("error", s.Reason).Msg("reproject:parked")
	}
	for _, g := range result.Gaps[:min(len(result.Gaps), maxWarnings)] {
		log.Warn().Str(observe.FieldStream, g.Stream).Uint64("missing", g.Missing).Int("held", g.Held).Msg("reproject:gap")
	}
}

// badList records the bad lines of a replay.
type badList struct {
	program *program
	name    string
	file    *badFile
	first   []eventio.BadLine
	count   int
}

func (l *badList) add(b *replay.BadLine) error {
	if l.count++; l.count <= maxTold {
		l.first = append(l.first, eventio.BadLine{Line: int(b.Line), Reason: b.Err.Error()})
	}
	for _, part := range [][]byte{b.Text, []byte("\n")} {
		if _, err := l.file.Write(part); err != nil {
			return fmt.Errorf("keeping the bad lines: %w", err)
		}
	}
	return nil
}

func (l *badList) tell() {
	l.program.tellBad(l.name, l.first, l.count)
	if l.count > 0 {
		fmt.Fprintf(l.program.stderr, "The bad lines are in %s.\n", l.file.path)
	}
}

// maxPrinted is how many rows are printed without --out.
const maxPrinted = 20

// deliver prints a summary and writes the rows to their destination.
func (c *reprojectCommand) deliver(p *program, result *replay.Result, took time.Duration) error {
	text := c.summary(result, took)
	switch {
	case c.Out == "-":
		fmt.Fprint(p.stderr, text)
		_, err := writeRows(p.ctx, p.stdout, result)
		return err
	case c.Out != "":
		var size int64
		err := replaceFile(c.Out, func(w io.Writer) (err error) {
			size, err = writeRows(p.ctx, w, result)
			return err
		})
		if err != nil {
			return err
		}
		return p.printf("%s%s: %s, %d bytes\n", text, c.Out, plural(int64(result.Len()), "row"), size)
	}
	if err := p.printf("%s", text); err != nil || result.Len() > maxPrinted {
		return err
	}
	_, err := writeRows(p.ctx, p.stdout, result)
	return err
}

// summary is the last line of every replay.
func (c *reprojectCommand) summary(r *replay.Result, took time.Duration) string {
	text := fmt.Sprintf("%s: count %s, size %s, in %s (%.0f events/s)", inputName(c.From), plural(r.Events, "event"), plural(int64(r.Len()), "row"),
		took.Round(time.Millisecond), float64(r.Events)/max(took.Seconds(), 1e-9))
	return text + leftOut(r) + "\n"
}

// leftOut says which events are not in the rows; "" if all are.
func leftOut(r *replay.Result) string {
	text := ""
	add := func(n int64, what, why string) {
		if n > 0 {
			text += "; " + plural(n, what) + why
		}
	}
	add(r.Duplicates, "event", " that came again")
	add(r.Ignored, "event", " for other read models")
	add(r.Bad, "bad line", " left out")
	text += setAside(len(r.Parked))
	add(int64(len(r.Gaps)), "stream", " with a missing version (see the warnings)")
	return text
}

// setAside says how many streams are parked, so that their rows are incomplete; "" if none are.
func setAside(streams int) string {
	if streams == 0 {
		return ""
	}
	return "; " + plural(int64(streams), "stream") + " parked (see the warnings)"
}

// replaceFile writes a temporary file and renames it to path, so that a half-written file is never visible.
// It writes directly to anything but a regular file, such as a pipe.
func replaceFile(path string, write func(io.Writer) error) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		if info.IsDir() {
			return fmt.Errorf("%s is a folder: name a file", path)
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part")
	if err != nil {
		return err
	}
	part := f.Name()
	err = errors.Join(write(f), f.Close())
	if err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(part))
	}
	return err
}
