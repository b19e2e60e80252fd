package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
)

// collect is a Sink that keeps the lines.
type collect struct {
	lines   []string
	flushes int
}

func (c *collect) Line(line []byte) error { c.lines = append(c.lines, string(line)); return nil }
func (c *collect) Flush() error           { c.flushes++; return nil }

func write(t *testing.T, path string, lines ...string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func writeGzip(t *testing.T, path string, lines ...string) {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	fmt.Fprintln(z, strings.Join(lines, "\n"))
	z.Close()
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func line(level, correlationID, second, message string) string {
	return fmt.Sprintf(`{"level":%q,"service":"gakushoku","function":"serve","correlationId":%q,"timestamp":"2026-01-24T00:00:%s.000Z","message":%q}`, level, correlationID, second, message)
}

func search(t *testing.T, path string, q Query, last int) []string {
	t.Helper()
	var got collect
	if err := Search(t.Context(), path, q, last, &got); err != nil {
		t.Fatal(err)
	}
	return got.lines
}

func TestSearchReadsRotatedFilesOldestFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "gakushoku.log")
	writeGzip(t, filepath.Join(dir, "gakushoku-2026-01-22T00-00-00.000.log.gz"), "one")
	write(t, filepath.Join(dir, "gakushoku-2026-01-23T00-00-00.000.log"), "two")
	write(t, filepath.Join(dir, "gakushoku-2026-01-23T00-00-00.000.log.gz"), "half written by the compression")
	write(t, path, "three", "", "four\r")
	write(t, filepath.Join(dir, "gakushoku-notes.log"), "not a rotated file")
	write(t, filepath.Join(dir, "other-2026-01-23T00-00-00.000.log"), "not ours")

	if diff := cmp.Diff([]string{"one", "two", "three", "four"}, search(t, path, Query{}, 0)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"three", "four"}, search(t, path, Query{}, 2)); diff != "" {
		t.Error(diff)
	}
}

func TestSearchFindsWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	debug := line("debug", "c1", "01", "projection:apply")
	info := line("info", "c1", "02", "command:success")
	other := line("info", "c10", "03", "command:success")
	failed := line("error", "c2", "04", `no "order" 学食`)
	nested := `{"message":"x","level":"warn","detail":{"level":"debug","correlationId":"c1"},"correlationId":"c3","timestamp":"2026-01-24T00:00:05.000Z"}`
	spaced := `{ "level" : "error", "correlationId" : "c1", "timestamp": "2026-01-24T00:00:06.000Z", "message": "other writer" }`
	trace := "goroutine 1 [running]: c2"
	dir := t.TempDir()
	path := filepath.Join(dir, "gakushoku.log")
	write(t, path, "older noise", debug, info, other, failed, trace, nested, spaced)

	cases := []struct {
		name string
		q    Query
		want []string
	}{
		{"by correlation id, whole ids only", Query{CorrelationID: "c1"}, []string{debug, info, spaced}},
		{"by correlation id, lines that are not JSON too", Query{CorrelationID: "c2"}, []string{failed, trace}},
		{"not by an id that is only in a nested object", Query{CorrelationID: "c3"}, []string{nested}},
		{"by level and above", Query{Level: "warn"}, []string{"older noise", failed, trace, nested, spaced}},
		{"by level as a person writes it", Query{Level: "ERROR"}, []string{"older noise", failed, trace, spaced}},
		{"by text", Query{Text: "success"}, []string{info, other}},
		{"by text that JSON has to escape", Query{Text: `"order" 学`}, []string{failed}},
		{"by time, with what follows a line", Query{Since: time.Date(2026, 1, 24, 0, 0, 4, 0, time.UTC)}, []string{failed, trace, nested, spaced}},
		{"before a time", Query{Until: time.Date(2026, 1, 24, 0, 0, 4, 0, time.UTC)}, []string{"older noise", debug, info, other}},
		{"between times, with what follows a line", Query{Since: time.Date(2026, 1, 24, 0, 0, 3, 0, time.UTC), Until: time.Date(2026, 1, 24, 0, 0, 5, 0, time.UTC)}, []string{other, failed, trace}},
		{"before a time, without what follows a later line that is not asked for", Query{Level: "warn", CorrelationID: "c2", Until: time.Date(2026, 1, 24, 0, 0, 4, 0, time.UTC)}, nil},
		{"before a time, by text", Query{Text: "c2", Until: time.Date(2026, 1, 24, 0, 0, 4, 0, time.UTC)}, nil},
		{"by all at once", Query{CorrelationID: "c1", Level: "info", Text: "command"}, []string{info}},
		{"nothing", Query{CorrelationID: "absent"}, nil},
		{"an id that cannot be one of ours", Query{CorrelationID: "a b"}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, search(t, path, c.q, 0)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSearchReadsLinesLongerThanItsBuffer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gakushoku.log")
	long := strings.Repeat("x", 3*readBuffer+17)
	if err := os.WriteFile(path, []byte("a\n"+long+"\nb"), 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", long, "b"}, search(t, path, Query{}, 0)); diff != "" {
		t.Error("lines differ")
	}
}

func TestSearchSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "missing", "gakushoku.log")
	if err := Search(t.Context(), path, Query{}, 0, &collect{}); !errors.Is(err, ErrNoLog) {
		t.Errorf("no log: %v", err)
	}
	if err := (Query{Level: "loud"}).Validate(); err == nil || !strings.Contains(err.Error(), "loud") {
		t.Errorf("bad level: %v", err)
	}
	present := filepath.Join(t.TempDir(), "gakushoku.log")
	write(t, present, "a")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Search(cancelled, present, Query{}, 0, &collect{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	broken := errors.New("broken")
	if err := Search(t.Context(), present, Query{}, 0, failingSink{broken}); !errors.Is(err, broken) {
		t.Errorf("sink: %v", err)
	}
}

type failingSink struct{ err error }

func (f failingSink) Line([]byte) error { return f.err }
func (f failingSink) Flush() error      { return nil }

func TestPrinterWritesForPeople(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, in, want string }{
		{"known fields first, the others in their order", `{"level":"info","service":"gakushoku","function":"serve","b":1,"a":"x","timestamp":"2026-01-24T00:00:00.000Z","message":"command:success"}`,
			"2026-01-24T00:00:00.000Z INFO  command:success function=serve b=1 a=x"},
		{"values in quotes where needed", `{"level":"error","error":"no \"such\" order","empty":"","o":{"k":"v w"},"timestamp":"t","message":"m"}`,
			`t ERROR m error="no \"such\" order" empty="" o={"k":"v w"}`},
		{"no control characters", `{"level":"warn","message":"a\u001b[2Jb\nc","x":"\u009b1m"}`, ` WARN  a\x1b[2Jb\nc x="\u009b1m"`},
		{"no JSON as it is", "panic: \tboom", "panic: \tboom"},
		{"half a line as it is", `{"level":"info"`, `{"level":"info"`},
		{"an array as it is", `[1]`, `[1]`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			p := NewPrinter(&b, false, false)
			if err := errors.Join(p.Line([]byte(c.in)), p.Flush()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want+"\n", b.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPrinterRawAndColour(t *testing.T) {
	t.Parallel()
	in := `{"level":"error","message":"m"}`
	var raw, colour bytes.Buffer
	p, q := NewPrinter(&raw, true, true), NewPrinter(&colour, false, true)
	if err := errors.Join(p.Line([]byte(in)), p.Flush(), q.Line([]byte(in)), q.Line([]byte("\x1b[2Jx")), q.Flush()); err != nil {
		t.Fatal(err)
	}
	if raw.String() != in+"\n" {
		t.Errorf("raw: %q", raw.String())
	}
	if want := " \x1b[31mERROR\x1b[0m \x1b[1mm\x1b[0m\n\\x1b[2Jx\n"; colour.String() != want {
		t.Errorf("colour: %q", colour.String())
	}
}
