package logs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"gakushoku/internal/observe"
)

// Printer is a Sink that writes lines for people: time, level and message, then the other fields in order
// as key=value. It writes lines that are not JSON unchanged.
type Printer struct {
	out    *bufio.Writer
	raw    bool
	colour bool
	lines  int
}

// NewPrinter returns a Printer. raw writes lines unchanged. colour is for terminals; it also escapes control
// characters in lines that are not JSON.
func NewPrinter(w io.Writer, raw, colour bool) *Printer {
	return &Printer{out: bufio.NewWriterSize(w, 64<<10), raw: raw, colour: colour}
}

// Lines returns how many lines were written.
func (p *Printer) Lines() int { return p.lines }

// Flush writes what is buffered.
func (p *Printer) Flush() error { return p.out.Flush() }

// Line writes one line of a log.
func (p *Printer) Line(line []byte) error {
	p.lines++
	if !p.raw {
		if text, ok := p.readable(line); ok {
			line = text
		} else if p.colour {
			line = []byte(visible(string(line)))
		}
	}
	if _, err := p.out.Write(line); err != nil {
		return err
	}
	return p.out.WriteByte('\n')
}

// field is a key of a line with its value as text.
type field struct{ key, value string }

// unshown are the fields that are shown separately, and the service, which is always the same.
var unshown = []string{timestampField, levelField, messageField, observe.FieldService}

func (p *Printer) readable(line []byte) ([]byte, bool) {
	all, ok := parseFields(line)
	if !ok {
		return nil, false
	}
	level := strings.ToUpper(valueOf(all, levelField))
	var b bytes.Buffer
	p.paint(&b, faint, visible(valueOf(all, timestampField)))
	b.WriteByte(' ')
	p.paint(&b, levelColour(level), visible(level)+strings.Repeat(" ", max(0, 5-len(level))))
	b.WriteByte(' ')
	p.paint(&b, bold, visible(valueOf(all, messageField)))
	for _, f := range all {
		if slices.Contains(unshown, f.key) {
			continue
		}
		b.WriteByte(' ')
		p.paint(&b, faint, visible(f.key)+"=")
		b.WriteString(quoted(f.value))
	}
	return b.Bytes(), true
}

func valueOf(all []field, key string) string {
	for _, f := range all {
		if f.key == key {
			return f.value
		}
	}
	return ""
}

// parseFields parses a JSON object, keeping the order of its fields.
func parseFields(line []byte) ([]field, bool) {
	if !json.Valid(line) {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, false
	}
	var all []field
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return nil, false
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, false
		}
		name, _ := key.(string)
		all = append(all, field{name, text(value)})
	}
	return all, true
}

// text returns the content of a string, and other values as JSON.
func text(value json.RawMessage) string {
	var s string
	if value[0] == '"' && json.Unmarshal(value, &s) == nil {
		return s
	}
	return string(value)
}

// quoted returns a value for the right side of "=". It is quoted if its end would be ambiguous, or if it
// contains characters that affect the terminal.
func quoted(value string) string {
	hard := func(r rune) bool {
		return r == '"' || r == '=' || unicode.IsSpace(r) || !unicode.IsPrint(r) || r == utf8.RuneError
	}
	if value == "" || strings.IndexFunc(value, hard) >= 0 && value[0] != '{' && value[0] != '[' {
		return strconv.Quote(value)
	}
	return visible(value)
}

// visible escapes control characters, which could change what the terminal shows.
func visible(s string) string {
	bad := func(r rune) bool { return r != '\t' && !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) }
	if strings.IndexFunc(s, bad) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if bad(r) {
			quotedRune := strconv.QuoteRuneToASCII(r)
			b.WriteString(quotedRune[1 : len(quotedRune)-1])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// The terminal's colours.
const (
	plain  = ""
	bold   = "\x1b[1m"
	faint  = "\x1b[2m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	reset  = "\x1b[0m"
)

func levelColour(level string) string {
	switch level {
	case "ERROR", "FATAL", "PANIC":
		return red
	case "WARN":
		return yellow
	case "INFO":
		return green
	}
	return plain
}

func (p *Printer) paint(b *bytes.Buffer, colour, s string) {
	if !p.colour || colour == plain || s == "" {
		b.WriteString(s)
		return
	}
	b.WriteString(colour)
	b.WriteString(s)
	b.WriteString(reset)
}
