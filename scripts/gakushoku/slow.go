package main

import (
	"context"
	"fmt"

	"gakushoku/internal/app/operator"
	"gakushoku/internal/engine/rebuild"
	"gakushoku/internal/observe"
	"gakushoku/internal/observe/spans"
	"gakushoku/internal/operate/timeline"
)

type slowCommand struct {
	Since    moment `help:"Only what began since then: a time, or how long ago, such as 90m or 7d. Default: ${default}." default:"1h" placeholder:"TIME"`
	Limit    int    `help:"How many operations. Default: ${default}." default:"20" placeholder:"N"`
	TraceURL string `help:"Address of a trace, with {traceId} where its id belongs, or {xrayTraceId} for X-Ray. On AWS: its console." name:"trace-url" env:"GAKUSHOKU_TRACE_URL" placeholder:"URL"`
	JSON     bool   `help:"Print JSON." name:"json"`
	awsFlag
}

func (slowCommand) Help() string {
	return `Shows the slowest requests with their commands and queries, batches of the projector, and rebuilds, and what each of them spent its time on. OWN is the time in which nothing that is listed below it was under way.

A server keeps the spans of what was slow or has failed in DIR/logs/spans.log; GAKUSHOKU_TRACES_SLOW tells it what is slow (` + observe.Slow.String() + `). Where it has kept none, and on AWS, the durations in log lines are shown, which know less.

Examples:

    gakushoku slow
    gakushoku slow --since 24h --limit 5
    gakushoku slow --json | jq '.operations[0]'
    gakushoku slow --since 3h --aws canteen`
}

// slowReport is the output of the command.
type slowReport struct {
	Operations []spans.Operation `json:"operations"`
	Source     spans.Source      `json:"source"`
}

func (c *slowCommand) Run(p *program) error {
	if err := checkTraceURL(c.Limit, c.TraceURL); err != nil {
		return err
	}
	return p.withPartly(c.awsFlag, 0, func(i *operator.Installation) error {
		if c.TraceURL == "" {
			c.TraceURL = i.TraceURL()
		}
		operations, source, err := i.Slowest(p.ctx, c.Since.Time, c.Limit)
		if err != nil {
			return err
		}
		runs, err := c.rebuilds(p.ctx, i)
		if err != nil {
			return err
		}
		operations = append(operations, runs...)
		spans.Sort(operations)
		operations = append([]spans.Operation{}, operations[:min(c.Limit, len(operations))]...)
		report := slowReport{operations, source}
		report.link(c.TraceURL)
		return p.present(c.JSON, report, func() {
			showSlow(p.stdout, &report, c.Since.Time)
			showNotes(p.stdout, c.notes(&report))
		})
	})
}

// notes returns what a report lacks.
func (c *slowCommand) notes(r *slowReport) []string {
	switch {
	case len(r.Operations) == 0 || r.Source == spans.FromSpans:
		return nil
	case c.AWS != "":
		return []string{"these are the durations in log lines; what was spent on what is in the traces, as far as X-Ray was sent them"}
	}
	return []string{"no spans were kept since then (nothing has failed or was slower than GAKUSHOKU_TRACES_SLOW, or that is off), so these are the durations in log lines"}
}

// link sets the trace addresses of operations.
func (r *slowReport) link(template string) {
	for i := range r.Operations {
		if id := r.Operations[i].TraceID; id != "" && template != "" {
			r.Operations[i].TraceURL = timeline.TraceURL(template, id)
		}
	}
}

// slowRuns bounds how many rebuilds of a projection are read.
const slowRuns = 100

// rebuilds returns the rebuilds that began in the period. Runs record how long each of their steps
// took.
func (c *slowCommand) rebuilds(ctx context.Context, on *operator.Installation) ([]spans.Operation, error) {
	var all []spans.Operation
	if on.Partial {
		return nil, nil // a warning has been printed
	}
	for _, name := range on.Models.Names() {
		past, err := on.History(ctx, name, slowRuns)
		if err != nil {
			return nil, fmt.Errorf("reading the runs of %s: %w", name, err)
		}
		for i := range past {
			if run := &past[i].Run; run.Took != nil && !run.StartedAt.Time().Before(c.Since.Time) {
				all = append(all, rebuildOperation(run, past[i].Reason))
			}
		}
	}
	return all, nil
}

// rebuildOperation returns a run as an operation with its steps, the slowest first.
func rebuildOperation(run *rebuild.Run, failed string) spans.Operation {
	began := spans.Time(run.StartedAt.Time())
	o := spans.Operation{Span: spans.Span{
		Timestamp: began, Name: "rebuild " + run.Projection, Error: failed, Attributes: map[string]any{observe.AttrRun: run.ID},
	}}
	for step, took := range *run.Took {
		o.DurationMs += float64(took)
		o.Children = append(o.Children, spans.Operation{Span: spans.Span{Timestamp: began, Name: string(step), SpanID: string(step), DurationMs: float64(took)}, OwnMs: float64(took)})
	}
	spans.Sort(o.Children)
	return o
}
