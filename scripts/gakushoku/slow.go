package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gakushoku/internal/app"
	"gakushoku/internal/logsearch"
	"gakushoku/internal/observe"
	"gakushoku/internal/reproject"
	"gakushoku/internal/spans"
)

type slowCommand struct {
	Since moment `help:"Only what began since then: a time, or how long ago, such as 90m. Default: ${default}." default:"1h" placeholder:"TIME"`
	Limit int    `help:"How many operations. Default: ${default}." default:"20" placeholder:"N"`
	JSON  bool   `help:"Print JSON." name:"json"`
}

func (slowCommand) Help() string {
	return `Shows the slowest requests with their commands and queries, batches of the projector, and rebuilds, and what each of them spent its time on. OWN is the time in which nothing that is listed below it was under way.

A server keeps the spans of what was slow or has failed in DIR/logs/spans.log; GAKUSHOKU_TRACES_SLOW tells it what is slow (200ms). Where it has kept none, the durations in its log lines are shown, which know less.

Examples:

    gakushoku slow
    gakushoku slow --since 24h --limit 5
    gakushoku slow --json | jq '.operations[0]'`
}

// slowReport is what is shown.
type slowReport struct {
	Operations []spans.Operation `json:"operations"`
	Source     string            `json:"source"` // spans, or log when there are none
}

// Sources of a slowReport.
const (
	fromSpans = "spans"
	fromLog   = "log"
)

func (c *slowCommand) Run(p *program) error {
	if c.Limit < 1 {
		return usagef("--limit: %d is below 1", c.Limit)
	}
	return p.withFolder(false, func(folder *app.Folder) error {
		report, err := c.kept(p)
		if err != nil {
			return err
		}
		runs, err := c.rebuilds(p.ctx, folder)
		if err != nil {
			return err
		}
		report.Operations = append(report.Operations, runs...)
		spans.Sort(report.Operations)
		report.Operations = report.Operations[:min(c.Limit, len(report.Operations))]
		if c.JSON {
			return p.printJSON(report)
		}
		return showSlow(p.stdout, &report, c.Since.Time)
	})
}

// kept is what the server has kept of traces, or else of its log.
func (c *slowCommand) kept(p *program) (slowReport, error) {
	report := slowReport{Operations: []spans.Operation{}, Source: fromSpans}
	found, err := c.slowest(p.ctx, app.SpanFile(p.data), func(line []byte) (spans.Span, bool) {
		var s spans.Span
		return s, json.Unmarshal(line, &s) == nil // a line that was cut off when the server was killed
	})
	if err == nil && len(found) == 0 {
		report.Source = fromLog
		found, err = c.slowest(p.ctx, app.LogFile(p.data), spans.FromLogLine)
	}
	report.Operations = append(report.Operations, found...)
	return report, err
}

// slowest are the slowest operations that the lines of a file tell of; none without the file.
func (c *slowCommand) slowest(ctx context.Context, path string, read func(line []byte) (spans.Span, bool)) ([]spans.Operation, error) {
	// Texts of times to the millisecond and to the microsecond do not compare exactly.
	query := logsearch.Query{Since: c.Since.Time.Add(-time.Millisecond)}
	return spans.Slowest(c.Limit, func(f func(*spans.Span) error) error {
		err := logsearch.Search(ctx, path, query, 0, logsearch.SinkFunc(func(line []byte) error {
			if s, ok := read(line); ok && !s.Timestamp.Time().Before(c.Since.Time) {
				return f(&s)
			}
			return nil
		}))
		if errors.Is(err, logsearch.ErrNoLog) {
			return nil
		}
		return err
	})
}

// slowRuns bounds the rebuilds of a projection that are looked at.
const slowRuns = 100

// rebuilds are those that have begun since then. They run in the operator's process, and note
// themselves how long each of their steps took.
func (c *slowCommand) rebuilds(ctx context.Context, folder *app.Folder) ([]spans.Operation, error) {
	var all []spans.Operation
	for _, name := range folder.ReadModels().Names() {
		past, err := folder.History(ctx, name, slowRuns)
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

// rebuildOperation is a run as an operation: its steps, the slowest first.
func rebuildOperation(run *reproject.Run, failed string) spans.Operation {
	began := spans.Time(run.StartedAt.Time())
	o := spans.Operation{Span: spans.Span{
		Timestamp: began, Name: "rebuild " + run.Projection, Error: failed, Attributes: map[string]any{observe.AttrRun: run.ID},
	}}
	for step, took := range *run.Took {
		o.DurationMs += float64(took)
		o.Children = append(o.Children, spans.Operation{Span: spans.Span{Timestamp: began, Name: step, SpanID: step, DurationMs: float64(took)}, OwnMs: float64(took)})
	}
	spans.Sort(o.Children)
	return o
}
