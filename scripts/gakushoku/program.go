package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"text/tabwriter"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/event"
	"gakushoku/internal/operate/logs"
)

// program is what every command uses.
type program struct {
	ctx       context.Context
	stdin     io.Reader
	stdout    *printed
	stderr    io.Writer
	level     zerolog.Level
	data      string // the data folder
	dataGiven bool   // whether it was typed
	config    *configFile
}

// printed is standard output. It keeps its first error, which run reports when the command has ended, so that
// commands need not check every line.
type printed struct {
	io.Writer
	err error
}

// Write implements io.Writer. Nothing is written after an error.
func (o *printed) Write(p []byte) (n int, err error) {
	if o.err == nil {
		n, o.err = o.Writer.Write(p)
	}
	return n, o.err
}

// IsTerminal reports whether the output is a terminal.
func (o *printed) IsTerminal() bool { return isTerminal(o.Writer) }

// table is a table of aligned columns. Tabs separate the cells of a line.
type table struct{ *tabwriter.Writer }

// newTable begins a table with a heading, which may be "".
func newTable(w io.Writer, head string) table {
	t := table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	if head != "" {
		t.line("%s", head)
	}
	return t
}

// line adds a line.
func (t table) line(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	switch w := w.(type) {
	case *os.File:
		return isatty.IsTerminal(w.Fd()) || isatty.IsCygwinTerminal(w.Fd())
	case interface{ IsTerminal() bool }:
		return w.IsTerminal()
	}
	return false
}

// colour reports whether w may be written to in colour (see no-color.org).
func colour(w io.Writer) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// logWriter returns where log lines go: readable on a terminal, JSON elsewhere.
func (p *program) logWriter() io.Writer {
	if !isTerminal(p.stderr) {
		return p.stderr
	}
	return readableLog{logs.NewPrinter(p.stderr, false, colour(p.stderr))}
}

// readableLog formats log lines for a person. Each write must consist of whole lines.
type readableLog struct{ printer *logs.Printer }

func (r readableLog) Write(lines []byte) (int, error) {
	for line := range bytes.Lines(lines) {
		if err := r.printer.Line(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
			return 0, err
		}
	}
	return len(lines), r.printer.Flush()
}

// withFolder opens the data folder for f, and closes it. Without create the folder must exist: a
// command that only reads creates neither a folder nor files in an empty one.
func (p *program) withFolder(create bool, f func(*embedded.Folder) error) error {
	open := embedded.OpenExistingFolder
	if create {
		open = embedded.OpenFolder
	}
	folder, err := open(p.ctx, p.data)
	if err != nil {
		return err
	}
	return errors.Join(f(folder), folder.Close())
}

// withParts opens the data folder for a command that needs only some stores, and warns about others that
// cannot be opened.
func (p *program) withParts(needed embedded.Parts, f func(*embedded.Folder) error) error {
	folder, err := embedded.OpenParts(p.ctx, p.data, needed)
	if err != nil {
		return err
	}
	if broken := folder.Broken(); broken != nil {
		fmt.Fprintf(p.stderr, "gakushoku: %s: going on without it\n", oneLine(broken))
	}
	return errors.Join(f(folder), folder.Close())
}

func (p *program) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(p.stdout, format, args...)
	return err
}

// present prints what a command found: v as JSON for scripts, or what show prints for a person.
func (p *program) present(asJSON bool, v any, show func()) error {
	if asJSON {
		return p.printJSON(v)
	}
	show()
	return p.stdout.err
}

// printJSON writes v for scripts.
func (p *program) printJSON(v any) error {
	encoder := json.NewEncoder(p.stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// printLine writes v as one line of JSON.
func (p *program) printLine(v any) error {
	encoder := json.NewEncoder(p.stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// longAgo matches the form of a duration. A match that cannot be parsed is too long.
var longAgo = regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(w|d|h|m|s|ms|us|µs|ns))+$`)

// moment is an option whose value is a time, or how long ago it was.
type moment struct{ time.Time }

// UnmarshalText parses RFC 3339, or a duration such as 90m or 7d.
func (m *moment) UnmarshalText(text []byte) error {
	if ago, err := parseDuration(string(text)); err == nil && ago >= 0 {
		m.Time = time.Now().Add(-ago)
		return nil
	}
	if longAgo.Match(text) {
		return fmt.Errorf("%q is longer than the 292 years (2562047h) that there may be: leave it out for all there is, or give a time such as 1700-01-01T00:00:00Z", text)
	}
	at, err := event.ParseInstant(string(text))
	if err != nil {
		return fmt.Errorf("%q is neither a time such as 2026-01-24T09:00:00+09:00 nor how long ago, such as 90m or 7d", text)
	}
	if m.Time = at.Time(); m.IsZero() {
		m.Time = m.Add(1) // the same millisecond, but not the zero time, which means "not given"
	}
	return nil
}

// instant returns the moment as an Instant; 0 if it was not given.
func (m moment) instant() event.Instant {
	if m.IsZero() {
		return 0
	}
	return event.InstantOf(m.Time)
}

// plural returns a text such as "1 event" or "2 events".
func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
