package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/fault/wait"
	"gakushoku/internal/operate/health"
	"gakushoku/internal/operate/scrape"
	"gakushoku/internal/operate/top"
)

type topCommand struct {
	URL      string        `help:"The server's address for operators, its --ops-addr. Default: that of the server of the data folder, or http://127.0.0.1:8081." env:"GAKUSHOKU_OPS_URL" placeholder:"URL" name:"url"`
	Interval time.Duration `help:"How long to count before a page is shown. Default: ${default}." default:"1s" placeholder:"DURATION"`
	Once     bool          `help:"Show one page and end."`
	JSON     bool          `help:"Print JSON, a page on a line." name:"json"`
}

func (topCommand) Help() string {
	return `Shows what a running server does, from its /metrics and /health: requests and commands by name and result, how long they take, errors by class, how far the read models and the log are behind, and, when the data folder is here, the rebuild that is going on. Ctrl-C ends it. While the server does not answer it goes on asking.

A server with another --ops-addr and its data folder elsewhere needs --url; API Gateway has no /metrics, nor has a server whose OTEL_METRICS_EXPORTER names others but not prometheus.

Exit code: 0; with --once 1 when the server does not answer.

Examples:

    gakushoku top
    gakushoku top --url http://127.0.0.1:9001 --interval 5s
    gakushoku top --once --json`
}

// minInterval prevents the polling itself from dominating the figures.
const minInterval = 50 * time.Millisecond

func (c *topCommand) Run(p *program) error {
	if c.Interval < minInterval {
		return usagef("--interval: %s is below %s", c.Interval, minInterval)
	}
	base, err := serverURL(cmp.Or(c.URL, embedded.OpsURL(p.data), "http://"+defaultOpsAddr))
	if err != nil {
		return err
	}
	watcher := &topWatcher{program: p, base: base, command: c}
	if watcher.folder, err = p.folderThatIs(); err != nil {
		return err
	}
	if watcher.folder != nil {
		defer watcher.folder.Close()
	}
	err = watcher.watch()
	if p.ctx.Err() != nil && errors.Is(err, p.ctx.Err()) && !c.Once {
		return nil // interrupted by the user
	}
	return err
}

// folderThatIs opens the data folder. It returns nil if there is no usable one: the server may be on another
// machine, or belong to another user.
func (p *program) folderThatIs() (*embedded.Folder, error) {
	folder, err := embedded.OpenExistingFolder(p.ctx, p.data)
	if p.ctx.Err() == nil && err != nil { // show the server's figures nevertheless
		return nil, nil
	}
	return folder, err
}

// topWatcher polls a server.
type topWatcher struct {
	*program
	command *topCommand
	base    *url.URL
	folder  *embedded.Folder
	drawn   bool
}

// topPage is a page, with the rebuilds of other processes.
type topPage struct {
	Server string `json:"server"`
	top.Page
	Runs []rebuild.UnderWay `json:"runs,omitempty"`
}

func (w *topWatcher) watch() error {
	last, err := w.read()
	if err != nil && w.command.Once {
		return err
	}
	for {
		if err != nil {
			w.noAnswer(err)
		}
		if err := wait.For(w.ctx, w.command.Interval); err != nil {
			return err
		}
		var now top.Reading
		now, err = w.read()
		switch {
		case w.ctx.Err() != nil:
			return w.ctx.Err()
		case err != nil && w.command.Once:
			return err
		case err == nil && !last.At.IsZero():
			if shown := w.show(last, now); shown != nil || w.command.Once {
				return shown
			}
		}
		last = now // zero after a failure: counts from before it do not belong to an interval
	}
}

// read polls the server once.
func (w *topWatcher) read() (top.Reading, error) {
	ctx, cancel := context.WithTimeout(w.ctx, healthAnswer)
	defer cancel()
	var r top.Reading
	text, status, err := get(ctx, w.base.JoinPath("/metrics").String())
	if err == nil && status != http.StatusOK {
		if status == http.StatusNotFound && w.hasHealth(ctx) {
			return r, fmt.Errorf("%s answers, but %w", w.base, errMetricsElsewhere)
		}
		err = fmt.Errorf("its /metrics answers %d: is it a server of `gakushoku serve`?", status)
	}
	if err == nil {
		r.Samples, err = scrape.Parse(bytes.NewReader(text))
	}
	if err == nil {
		r.At = time.Now()
		text, _, err = get(ctx, w.base.JoinPath("/health").String())
	}
	if err != nil {
		return top.Reading{}, fmt.Errorf("%s does not answer: %w", w.base, err)
	}
	if err := json.Unmarshal(text, &r.Health); err != nil {
		r.Health.Status = health.Failing // the response is not a health report
	}
	return r, nil
}

var errMetricsElsewhere = errors.New("has no /metrics. They are at the server's --ops-addr, http://127.0.0.1:8081 unless it says otherwise: give that as --url. If this is it, its OTEL_METRICS_EXPORTER sends them elsewhere: have prometheus among them, OTEL_METRICS_EXPORTER=otlp,prometheus, and start it again; meanwhile there are /health and `gakushoku projection status`. API Gateway never has /metrics")

// hasHealth reports whether the server's /health is that of a canteen.
func (w *topWatcher) hasHealth(ctx context.Context) bool {
	text, _, err := get(ctx, w.base.JoinPath("/health").String())
	var report health.Report
	return err == nil && json.Unmarshal(text, &report) == nil && report.Status != ""
}

// noAnswer reports a failed read: in place of the page on a terminal, on standard error elsewhere.
func (w *topWatcher) noAnswer(err error) {
	text := fmt.Sprintf("%s  %s\nTrying again every %s; Ctrl-C ends it.\n", time.Now().Format(time.TimeOnly), oneLine(err), w.command.Interval)
	if !w.inPlace() {
		fmt.Fprint(w.stderr, text)
		return
	}
	w.draw([]byte(text)) //nolint:errcheck // the next page fails too
}

func (w *topWatcher) show(last, now top.Reading) error {
	page := topPage{Server: w.base.String(), Page: top.Between(last, now)}
	if w.folder != nil {
		status, err := w.folder.Versions(w.ctx)
		if err != nil {
			return err
		}
		for _, p := range status.Projections {
			page.Runs = append(page.Runs, p.Runs...)
		}
	}
	if w.command.JSON {
		return w.printLine(page)
	}
	var text bytes.Buffer
	showPage(&text, &page)
	if !w.inPlace() {
		text.WriteByte('\n')
		_, err := w.stdout.Write(text.Bytes())
		return err
	}
	if rows := w.rows(); rows > 0 {
		fit(&text, &page, rows)
	}
	return w.draw(text.Bytes())
}

// rows returns the height of the terminal; 0 if unknown.
func (w *topWatcher) rows() int {
	if file, ok := w.stdout.Writer.(interface{ Fd() uintptr }); ok {
		return rowsOf(file.Fd())
	}
	return 0
}

// inPlace reports whether each page overwrites the last.
func (w *topWatcher) inPlace() bool {
	return isTerminal(w.stdout) && !w.command.JSON && !w.command.Once
}

// draw overwrites the last page in one write, so that nothing flickers. It cuts off lines that are too long
// for the terminal (DECAWM) instead of wrapping them.
func (w *topWatcher) draw(text []byte) error {
	page := []byte("\x1b[?7l\x1b[H")
	if !w.drawn {
		page = []byte("\x1b[?7l\x1b[H\x1b[2J")
	}
	w.drawn = true
	page = append(page, bytes.ReplaceAll(text, []byte("\n"), []byte("\x1b[K\n"))...)
	_, err := w.stdout.Write(append(page, "\x1b[J\x1b[?7h"...))
	return err
}
