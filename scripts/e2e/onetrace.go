package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/observe"
	"gakushoku/internal/rehearse/loadgen"
)

// span has the fields of the console exporter's spans that are checked here.
type span struct {
	Name        string
	SpanContext spanContext
	Parent      spanContext
	Attributes  []struct {
		Key   string
		Value struct{ Value any }
	}
	Links []struct{ SpanContext spanContext }

	function string // the function that logged it
}

type spanContext struct{ TraceID, SpanID string }

// attribute returns the value of an attribute as text; "" if there is none.
func (s *span) attribute(key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return fmt.Sprint(a.Value.Value)
		}
	}
	return ""
}

func (s *span) linksTo(cause spanContext) bool {
	return slices.ContainsFunc(s.Links, func(l struct{ SpanContext spanContext }) bool { return l.SpanContext == cause })
}

// spans are spans of one or several functions.
type spans []span

// within returns the spans below a span, in its own process.
func (all spans) within(outer *span) spans {
	var found spans
	for i := range all {
		if s := &all[i]; s.function == outer.function && s.Parent == outer.SpanContext {
			found = append(append(found, *s), all.within(s)...)
		}
	}
	return found
}

// one returns the first span that has a name, or one of several names separated by |, and is wanted. Its
// error lists the spans that exist.
func (all spans) one(what, name string, wanted func(*span) bool) (*span, error) {
	var names []string
	for i := range all {
		if slices.Contains(strings.Split(name, "|"), all[i].Name) && wanted(&all[i]) {
			return &all[i], nil
		}
		names = append(names, all[i].function+": "+all[i].Name)
	}
	return nil, fmt.Errorf("there is no span of %s: none of these %d is %s as it should be: %v", what, len(names), name, names)
}

// traceLimit is how long the spans of one operation may take to reach the functions' logs: the archiver
// gathers events for some seconds, and CloudWatch takes its time to show a line.
const traceLimit = archiveLimit + logLimit

// followTrace sends one request within its own trace, and follows that trace through the functions' spans:
// from the POST to the order's row and into the log.
func followTrace(ctx context.Context, c *canteen) error {
	caller, correlationID := newCaller(), observe.NewID()
	placed, ok := c.client.command(ctx, "/orders", correlationID, "00-"+caller.TraceID+"-"+caller.SpanID+"-01",
		map[string]any{"lines": loadgen.Orders[:1]})
	if !ok {
		return errors.New("the order was not taken")
	}
	say("   order %s was placed in trace %s", placed.OrderID, caller.TraceID)
	var problem error
	err := until(ctx, traceLimit, "trace "+caller.TraceID+" to be whole", func(ctx context.Context) (bool, error) {
		all, err := c.spansAbout(ctx, caller.TraceID)
		if err != nil {
			return false, err
		}
		problem = c.wantWhole(all, caller, correlationID)
		return problem == nil, nil
	})
	if err != nil {
		return errors.Join(err, problem)
	}
	say("   its trace is whole: the request, the command and its calls, what the projector and the archiver did because of it")
	if err := c.wantRow(ctx, placed.OrderID, correlationID, caller.TraceID); err != nil {
		return err
	}
	return c.wantTold(ctx, placed.OrderID, correlationID, caller.TraceID)
}

// newCaller returns a new span of a caller.
func newCaller() spanContext {
	var id [24]byte
	rand.Read(id[:]) // never fails (crypto/rand)
	return spanContext{TraceID: fmt.Sprintf("%x", id[:16]), SpanID: fmt.Sprintf("%x", id[16:])}
}

// wantWhole checks that the spans are those of placing one order, beginning with its POST.
func (c *canteen) wantWhole(all spans, caller spanContext, correlationID string) error {
	request, err := all.one("the request", "POST /orders", func(s *span) bool {
		return s.function == "command" && s.Parent == caller && s.attribute("correlation.id") == correlationID
	})
	if err != nil {
		return err
	}
	inRequest := all.within(request)
	command, err := inRequest.one("the command", "PlaceOrder", func(s *span) bool { return s.Parent == request.SpanContext })
	if err != nil {
		return err
	}
	if _, err := all.within(command).one("the append to the event table", "DynamoDB.PutItem", about("aws.dynamodb.table_names", c.options.stack+"-events")); err != nil {
		return err
	}
	for _, reader := range []struct{ function, name, what, call, key, value string }{
		{"projector", "process events", "the projector's batch", "DynamoDB.TransactWriteItems|DynamoDB.PutItem", "aws.dynamodb.table_names", c.options.stack + "_view_orders"},
		{"archiver", "archive segment", "the archiver's batch", "S3.PutObject", "aws.s3.bucket", c.options.stack + "-log"},
	} {
		batch, err := all.one(reader.what, reader.name, func(s *span) bool { return s.function == reader.function && s.linksTo(command.SpanContext) })
		if err != nil {
			return err
		}
		if _, err := all.within(batch).one("what "+reader.what+" has written", reader.call, about(reader.key, reader.value)); err != nil {
			return err
		}
	}
	return nil
}

// about returns a condition: an attribute contains a text.
func about(key, part string) func(*span) bool {
	return func(s *span) bool { return strings.Contains(s.attribute(key), part) }
}

// spansAbout returns the spans of a trace, those linked to it, and all spans of the latter's traces.
func (c *canteen) spansAbout(ctx context.Context, traceID string) (spans, error) {
	all, err := c.spansNaming(ctx, traceID)
	if err != nil {
		return nil, err
	}
	traces := map[string]bool{traceID: true}
	for i := range all {
		if id := all[i].SpanContext.TraceID; !traces[id] {
			traces[id] = true
			more, err := c.spansNaming(ctx, id)
			if err != nil {
				return nil, err
			}
			all = append(all, more...)
		}
	}
	return all, nil
}

// spansNaming returns the spans of the functions whose lines name a trace.
func (c *canteen) spansNaming(ctx context.Context, traceID string) (spans, error) {
	var all spans
	for _, function := range []string{"command", "projector", "archiver"} {
		lines, err := c.linesWith(ctx, function, traceID)
		if err != nil {
			return nil, err
		}
		for _, line := range lines {
			s := span{function: function}
			if json.Unmarshal([]byte(line), &s) == nil && s.SpanContext.SpanID != "" {
				all = append(all, s)
			}
		}
	}
	return all, nil
}

// linesWith returns the lines of a function's log that contain a text.
func (c *canteen) linesWith(ctx context.Context, function, text string) ([]string, error) {
	var lines []string
	in := &cloudwatchlogs.FilterLogEventsInput{
		LogGroupName: aws.String("/aws/lambda/" + c.options.stack + "-" + function), FilterPattern: aws.String(`"` + text + `"`), StartTime: aws.Int64(c.opened.UnixMilli()),
	}
	for pages := cloudwatchlogs.NewFilterLogEventsPaginator(c.logs, in); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading the log of %s: %w", function, err)
		}
		for _, line := range page.Events {
			lines = append(lines, aws.ToString(line.Message))
		}
	}
	return lines, nil
}

// wantRow checks that the row of an order reflects its events, that it was placed and that its portions were
// reserved, and that the operation caused both.
func (c *canteen) wantRow(ctx context.Context, orderID, correlationID, traceID string) error {
	_, active, err := c.pointer(ctx)
	if err != nil {
		return err
	}
	stream := order.Stream(orderID)
	row, err := c.stack.Tables.Record(ctx, table(active.Number), stream)
	if err != nil {
		return err
	}
	history, err := c.stack.Events.Load(ctx, stream, 0)
	if err != nil {
		return err
	}
	if row.Version != 2 || len(history) != 2 {
		return fmt.Errorf("the row of %s is at version %d, and there are %d events: want 2 and 2", orderID, row.Version, len(history))
	}
	for i := range history {
		if e := &history[i]; e.CorrelationID != correlationID || !strings.Contains(e.Traceparent, traceID) {
			return fmt.Errorf("%s in the row of %s is of operation %s and traceparent %q, want %s and trace %s", e.Type, orderID, e.CorrelationID, e.Traceparent, correlationID, traceID)
		}
	}
	say("   its row is there, as of the events of operation %s", correlationID)
	return nil
}

// wantTold checks that the command line shows an operation: its request, command and event, and that its row
// has that event.
func (c *canteen) wantTold(ctx context.Context, orderID, correlationID, traceID string) error {
	work, err := os.MkdirTemp("", "gakushoku-trace-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := buildCommandLine(ctx, work); err != nil {
		return err
	}
	var missing []string
	var told []byte
	err = until(ctx, logLimit, "gakushoku trace "+correlationID+" to tell everything", func(ctx context.Context) (bool, error) {
		told, err = exec.CommandContext(ctx, filepath.Join(work, "gakushoku"), "trace", correlationID, "--aws", c.options.stack).CombinedOutput()
		missing = nil
		for _, wanted := range []string{correlationID, traceID, "POST /orders", "PlaceOrder", order.PlacedType, order.Stream(orderID) + " version 1, number ", order.ReservedType, "read model", "its row is at version 2", "projection:apply"} {
			if !strings.Contains(string(told), wanted) {
				missing = append(missing, wanted)
			}
		}
		return err == nil && len(missing) == 0, ctx.Err()
	})
	if err != nil {
		return fmt.Errorf("%w: it does not say %q but\n%s", err, missing, told)
	}
	say("   gakushoku trace %s --aws %s tells all of it", correlationID, c.options.stack)
	return nil
}
