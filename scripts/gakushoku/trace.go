package main

import (
	"errors"
	"fmt"

	"gakushoku/internal/app/operator"
	"gakushoku/internal/operate/timeline"
)

type traceCommand struct {
	CorrelationID string `arg:"" optional:"" help:"The operation: the x-correlation-id of its response."`
	Order         string `help:"List the operations that have changed this order, or tried to, newest last." placeholder:"ID"`
	Stream        string `help:"The same for any stream, such as order-o1." placeholder:"NAME"`
	Limit         int    `help:"Tell of at most so many log lines and events, the newest. Default: ${default}." default:"500" placeholder:"N"`
	Since         moment `help:"Look for log lines since then: a time, or how long ago, such as 90m or 7d. All of them; on AWS 24h, or since the operation when its id is one that was made here." placeholder:"TIME"`
	TraceURL      string `help:"Address of a trace, with {traceId} where its id belongs, or {xrayTraceId} for X-Ray. On AWS: its console." name:"trace-url" env:"GAKUSHOKU_TRACE_URL" placeholder:"URL"`
	JSON          bool   `help:"Print JSON." name:"json"`
	awsFlag
}

func (traceCommand) Help() string {
	return `Shows everything that is known of one operation, in the order in which it happened: its request and command, the events with their numbers in the log, whether the read models have them, and every other log line. When the log lines are gone the events are looked for in the whole log, which takes its time.

Exit code: 0, or 1 when nothing is known of it.

Examples:

    gakushoku trace 01KFQ6Z5J3
    gakushoku trace --order o1
    gakushoku trace 01KFQ6Z5J3 --trace-url 'http://localhost:16686/trace/{traceId}'
    gakushoku trace 01KFQ6Z5J3 --json
    gakushoku trace my-payment --since 3h --aws canteen`
}

func (c *traceCommand) Run(p *program) error {
	stream, err := streamOf(c.Order, c.Stream)
	if err != nil {
		return err
	}
	if (c.CorrelationID == "") == (stream == "") {
		return usagef("name either the operation by its correlation id, or an order with --order, or another stream with --stream")
	}
	if err := checkTraceURL(c.Limit, c.TraceURL); err != nil {
		return err
	}
	return p.withPartly(c.awsFlag, 0, func(i *operator.Installation) error {
		if c.TraceURL == "" {
			c.TraceURL = i.TraceURL()
		}
		finder := i.Timelines(c.Limit, c.Since.Time)
		if stream != "" {
			return c.stream(p, finder, stream)
		}
		return c.operation(p, finder)
	})
}

// checkTraceURL checks the options --limit and --trace-url.
func checkTraceURL(limit int, url string) error {
	switch {
	case limit < 1:
		return usagef("--limit must be at least 1, not %d", limit)
	case url != "" && !timeline.NamesTrace(url):
		return usagef("--trace-url: %q has no %s", url, timeline.TraceIDPlace)
	}
	return nil
}

func (c *traceCommand) operation(p *program, finder *timeline.Finder) error {
	t, err := finder.Operation(p.ctx, c.CorrelationID)
	if errors.Is(err, timeline.ErrUnknown) {
		return fmt.Errorf("%w: neither the log files nor the events have it. Is it the x-correlation-id of a response from this installation? `gakushoku trace --order ID` lists the operations of an order, --stream NAME those of any stream", err)
	}
	if err != nil {
		return err
	}
	t.Link(c.TraceURL)
	return p.present(c.JSON, t, func() { showTimeline(p.stdout, &t) })
}

func (c *traceCommand) stream(p *program, finder *timeline.Finder, stream string) error {
	o, err := finder.Stream(p.ctx, stream)
	if errors.Is(err, timeline.ErrUnknown) {
		return fmt.Errorf("%w: no event and no log line names it; `gakushoku logs --text %s` finds requests that only asked for it", err, plain(stream))
	}
	if err != nil {
		return err
	}
	return p.present(c.JSON, o, func() { showStream(p.stdout, &o) })
}
