package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"

	"gakushoku/internal/app"
	"gakushoku/internal/event"
	"gakushoku/internal/logsearch"
)

// program is what every command works with.
type program struct {
	ctx            context.Context
	stdin          io.Reader
	stdout, stderr io.Writer
	level          zerolog.Level
	data           string // the data folder
	dataGiven      bool   // it was typed
}

// isTerminal reports whether a person reads w.
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

// logWriter is where log lines go: readable on a terminal, JSON for everything else.
func (p *program) logWriter() io.Writer {
	if !isTerminal(p.stderr) {
		return p.stderr
	}
	return readableLog{logsearch.NewPrinter(p.stderr, false, colour(p.stderr))}
}

// readableLog writes log lines for a person. It is given whole lines.
type readableLog struct{ printer *logsearch.Printer }

func (r readableLog) Write(lines []byte) (int, error) {
	for line := range bytes.Lines(lines) {
		if err := r.printer.Line(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
			return 0, err
		}
	}
	return len(lines), r.printer.Flush()
}

// withFolder opens the data folder for f, and closes it. Without create it must have been made:
// a command that only reads makes no folder, and no files in an empty one.
func (p *program) withFolder(create bool, f func(*app.Folder) error) error {
	open := app.OpenExistingFolder
	if create {
		open = app.OpenFolder
	}
	folder, err := open(p.ctx, p.data)
	if err != nil {
		return err
	}
	return errors.Join(f(folder), folder.Close())
}

// withParts opens the data folder for whoever needs only some parts of it, and says which of the
// others cannot be opened.
func (p *program) withParts(needed app.Parts, f func(*app.Folder) error) error {
	folder, err := app.OpenParts(p.ctx, p.data, needed)
	if err != nil {
		return err
	}
	if broken := folder.Broken(); broken != nil {
		fmt.Fprintf(p.stderr, "gakushoku: %s: going on without it\n", oneLine(broken))
	}
	return errors.Join(f(folder), folder.Close())
}

// input opens the file to be read; "-" is standard input. Close it.
func (p *program) input(path string) (io.ReadCloser, error) {
	if path == "-" {
		return p.standardInput(), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder: name a file of events, one JSON object a line", path)
	}
	if err == nil && isUTF16(f) {
		err = fmt.Errorf("%s is UTF-16, as PowerShell's > writes it: save it as UTF-8", path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// isUTF16 looks for the mark that such a file begins with.
func isUTF16(f io.ReaderAt) bool {
	var mark [2]byte
	_, err := f.ReadAt(mark[:], 0)
	return err == nil && (mark == [2]byte{0xff, 0xfe} || mark == [2]byte{0xfe, 0xff})
}

// inputName is what messages call the input.
func inputName(path string) string {
	if path == "-" {
		return "standard input"
	}
	return path
}

func (p *program) standardInput() io.ReadCloser {
	if f, ok := p.stdin.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return io.NopCloser(f)
		}
	}
	return io.NopCloser(&interruptible{ctx: p.ctx, r: p.stdin})
}

// interruptible ends a read of standard input with the context. The read itself cannot be
// ended: its goroutine is left behind, for the moment until the process is gone.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

type readResult struct {
	n   int
	err error
}

func (i *interruptible) Read(b []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	own := make([]byte, min(len(b), 64<<10))
	done := make(chan readResult, 1)
	go func() {
		n, err := i.r.Read(own)
		done <- readResult{n, err}
	}()
	select {
	case result := <-done:
		return copy(b, own[:result.n]), result.err
	case <-i.ctx.Done():
		return 0, i.ctx.Err()
	}
}

func (p *program) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(p.stdout, format, args...)
	return err
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

// moment is a flag that takes a time, or how long ago it was.
type moment struct{ time.Time }

// UnmarshalText reads RFC 3339, or a duration such as 90m.
func (m *moment) UnmarshalText(text []byte) error {
	if ago, err := time.ParseDuration(string(text)); err == nil && ago >= 0 {
		m.Time = time.Now().Add(-ago)
		return nil
	}
	at, err := event.ParseInstant(string(text))
	if err != nil {
		return fmt.Errorf("%q is neither a time such as 2026-01-24T09:00:00+09:00 nor how long ago, such as 90m", text)
	}
	if m.Time = at.Time(); m.IsZero() {
		m.Time = m.Add(1) // the same millisecond, and not what stands for "not given"
	}
	return nil
}

// instant is the moment for comparing with events; not set when it was not given.
func (m moment) instant() event.Instant {
	if m.IsZero() {
		return 0
	}
	return event.InstantOf(m.Time)
}

// plural is "1 event" or "2 events".
func plural(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
