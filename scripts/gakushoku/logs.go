package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"gakushoku/internal/app/embedded"
	"gakushoku/internal/app/stack"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
	"gakushoku/internal/operate/logs"
	"gakushoku/internal/store/insights"
)

type logsCommand struct {
	CorrelationID string    `help:"Only lines of this operation: the x-correlation-id of its response." placeholder:"ID" name:"correlation-id" short:"c"`
	Order         string    `help:"Only lines about this order." placeholder:"ID"`
	Stream        string    `help:"Only lines about this stream, such as order-o1." placeholder:"NAME"`
	Failed        bool      `help:"Only commands that failed; those of class domain were refused by the rules."`
	Slow          *slowFlag `help:"Only operations that took ${slow} or longer; --slow=1s for another time." placeholder:"TIME"`
	Question      []string  `help:"Only lines that answer this question: ${questions}." placeholder:"NAME" short:"q"`
	Level         string    `help:"Only lines of this level and above: trace, debug, info, warn or error." placeholder:"LEVEL" short:"l"`
	Text          string    `help:"Only lines that contain this text." placeholder:"TEXT" short:"t"`
	Since         moment    `help:"Only lines since then: a time, or how long ago, such as 90m or 7d. With --aws: 24h before --until when it is not given." placeholder:"TIME"`
	Until         moment    `help:"Only lines before then: a time, or how long ago." placeholder:"TIME"`
	Follow        bool      `help:"Go on with new lines until Ctrl-C." short:"f"`
	Last          *int      `help:"Only so many of the lines that there are, the newest; 0 for all. All, but 10 with --follow." placeholder:"N" short:"n"`
	JSON          bool      `help:"Print the lines as they are in the log." name:"json"`
	awsFlag
}

// sinceOnAWS is how far back CloudWatch is searched by default, since it charges for what it reads.
const sinceOnAWS = 24 * time.Hour

func (logsCommand) Help() string {
	var questions strings.Builder
	for _, q := range logs.Questions() {
		fmt.Fprintf(&questions, "    %-12s %s\n", q.Name, q.About)
	}
	return `Reads DIR/logs/gakushoku.log and the rotated files beside it. With --aws the same flags find the same lines in CloudWatch Logs, at most 10,000. What is asked for in several ways at once has to be so in all of them.

Questions, which the stack also has as saved queries of Logs Insights (STACK/NAME):

` + questions.String() + `
Examples:

    gakushoku logs --correlation-id 01KFQ6Z5J3
    gakushoku logs --order o1
    gakushoku logs --failed --since 1h
    gakushoku logs --slow=1s --aws canteen
    gakushoku logs --question rebuilds --level error
    gakushoku logs --level error --since 24h
    gakushoku logs --failed --since 2026-01-24T12:10:00+09:00 --until 2026-01-24T12:30:00+09:00
    gakushoku logs --follow --level warn
    gakushoku logs --text order-o1 --json`
}

// questionNames lists the names that --question accepts.
func questionNames() string {
	var names []string
	for _, q := range logs.Questions() {
		names = append(names, q.Name)
	}
	return strings.Join(names, ", ")
}

// slowFlag is --slow, alone or with a time: --slow=1s.
type slowFlag time.Duration

// IsBool tells kong that the value is optional.
func (*slowFlag) IsBool() bool { return true }

// Decode implements kong.MapperValue.
func (s *slowFlag) Decode(ctx *kong.DecodeContext) error {
	*s = slowFlag(observe.Slow)
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		return nil
	}
	text := fmt.Sprint(ctx.Scan.Pop().Value)
	d, err := parseDuration(text)
	if err != nil || d <= 0 {
		return fmt.Errorf("%q is not a duration above 0, such as 500ms or 2s", text)
	}
	*s = slowFlag(d)
	return nil
}

func (c *logsCommand) Run(p *program) error {
	query, err := c.query()
	if err != nil {
		return err
	}
	last := 0
	if c.Follow {
		last = 10
	}
	if c.Last != nil {
		last = *c.Last
	}
	if last < 0 {
		return usagef("--last must be at least 0, not %d", last)
	}
	printer := logs.NewPrinter(p.stdout, c.JSON, colour(p.stdout))
	if c.AWS != "" {
		return c.fromAWS(p, query, last, printer)
	}
	path := embedded.LogFile(p.data)
	if c.Follow {
		return logs.Follow(p.ctx, path, query, last, 0, printer)
	}
	err = logs.Search(p.ctx, path, query, last, printer)
	if errors.Is(err, logs.ErrNoLog) {
		return fmt.Errorf("%w: has `gakushoku serve` run with this --data folder?", err)
	}
	if err == nil {
		c.saidNothing(p, printer)
	}
	return err
}

// saidNothing reports on standard error that no line was found.
func (c *logsCommand) saidNothing(p *program, printer *logs.Printer) {
	if printer.Lines() == 0 {
		fmt.Fprintln(p.stderr, "No line of the log matches.")
	}
}

// givenWith returns the option with the id that a question needs.
func givenWith(question string) string {
	if question == logs.QuestionOperation {
		return "--correlation-id"
	}
	return "--stream"
}

// streamOf returns the stream that is named by either --order or --stream; "" if neither was given.
func streamOf(orderID, stream string) (string, error) {
	if orderID == "" {
		return stream, nil
	}
	if stream != "" {
		return "", usagef("--order and --stream: choose one")
	}
	return order.Stream(strings.TrimPrefix(orderID, order.StreamPrefix)), nil
}

// query builds the query from the options.
func (c *logsCommand) query() (logs.Query, error) {
	query := logs.Query{CorrelationID: c.CorrelationID, Level: c.Level, Text: c.Text, Since: c.Since.Time, Until: c.Until.Time}
	if err := query.Validate(); err != nil {
		return query, usagef("--level: %v", err)
	}
	switch {
	case !c.Until.IsZero() && c.Follow:
		return query, usagef("--follow goes on with new lines: it has no --until")
	case !c.Until.IsZero() && !c.Since.Before(c.Until.Time):
		return query, usagef("--until: %s is not after --since", c.Until.Format(time.RFC3339))
	}
	given := logs.Given{CorrelationID: c.CorrelationID}
	names := slices.Clone(c.Question)
	if c.Slow != nil {
		names, given.Slow = append(names, logs.QuestionSlow), time.Duration(*c.Slow)
	}
	if c.Failed {
		names = append(names, logs.QuestionFailed)
	}
	stream, err := streamOf(c.Order, c.Stream)
	if err != nil {
		return query, err
	}
	if kind, id, ok := event.KindOf(stream); ok {
		given.ID = id
		names = append(names, kind.Name())
	} else if stream != "" {
		return query, usagef("--stream: %q is not a stream such as order-o1", stream)
	}
	var all logs.All
	for _, name := range names {
		q, err := logs.QuestionNamed(name)
		if err != nil {
			return query, usagef("--question: %v", err)
		}
		filter, err := q.Filter(given)
		if err != nil {
			return query, usagef("--question %s: %v: give it with %s", name, err, givenWith(name))
		}
		all = append(all, filter)
	}
	if all != nil {
		query.Filter = all
	}
	return query, nil
}

// fromAWS queries CloudWatch.
func (c *logsCommand) fromAWS(p *program, query logs.Query, last int, printer *logs.Printer) error {
	switch {
	case p.dataGiven:
		return usagef("--data and --aws: choose one")
	case c.Follow:
		return usagef("--follow and --aws: Logs Insights cannot follow; `sam logs --stack-name %s --tail` can", c.AWS)
	}
	logs, err := stack.OpenLogs(p.ctx, c.AWS)
	if err != nil {
		return err
	}
	since, until := query.Since, query.Until
	if until.IsZero() {
		until = time.Now()
	}
	if since.IsZero() {
		since = until.Add(-sinceOnAWS)
	}
	if last == 0 || last > insights.Limit {
		last = insights.Limit
	}
	text, err := query.Insights(last)
	if err != nil {
		return err
	}
	lines, err := logs.Lines(p.ctx, text, since, until)
	if err != nil {
		return err
	}
	// Emulators also return lines that do not match.
	query.Since, query.Until = time.Time{}, time.Time{}
	found, err := query.Of(lines)
	if err != nil {
		return err
	}
	for _, line := range found {
		if err := printer.Line([]byte(line)); err != nil {
			return err
		}
	}
	if len(lines) == insights.Limit {
		fmt.Fprintf(p.stderr, "These are the newest %d lines: CloudWatch gives no more. Ask for less, or for less time with --since and --until.\n", insights.Limit)
	}
	c.saidNothing(p, printer)
	return printer.Flush()
}
