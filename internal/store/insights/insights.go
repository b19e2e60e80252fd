// Package insights asks CloudWatch Logs Insights for the log lines of a stack's functions.
package insights

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"gakushoku/internal/fault/wait"
	"gakushoku/internal/store/awsfault"
)

// Limit is how many lines a query gives at most, whatever it asks for.
const Limit = 10_000

// The times between two looks at a query: it takes a second at least, and the service bounds
// how often one may ask.
const (
	firstLook = 500 * time.Millisecond
	maxLook   = 5 * time.Second
)

// Patience is how long a query is waited for when nobody says otherwise; the service itself
// gives up after an hour.
const Patience = 5 * time.Minute

// stopLimit bounds the last word to a query that nobody waits for any more.
const stopLimit = 5 * time.Second

// The errors of a query, beside those of the service.
var (
	ErrNoLogs = errors.New("there are no logs")
	ErrFailed = errors.New("the query has failed")
)

// Client is what is needed of the service; a *cloudwatchlogs.Client has it.
type Client interface {
	StartQuery(context.Context, *cloudwatchlogs.StartQueryInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.StartQueryOutput, error)
	GetQueryResults(context.Context, *cloudwatchlogs.GetQueryResultsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.GetQueryResultsOutput, error)
	StopQuery(context.Context, *cloudwatchlogs.StopQueryInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.StopQueryOutput, error)
}

var _ Client = (*cloudwatchlogs.Client)(nil)

// Logs are log groups. It is safe for concurrent use.
type Logs struct {
	Client   Client
	Groups   []string
	Patience time.Duration // how long a query may take; 0 is the constant

	wait func(context.Context, time.Duration) error // for tests; nil is wait.For
}

// Lines runs a query that asks for @timestamp and @message, newest lines first, over a span of
// time, and gives the lines the oldest first. A query that is not waited for to its end is stopped.
func (l *Logs) Lines(ctx context.Context, query string, from, to time.Time) ([]string, error) {
	patience := l.Patience
	if patience <= 0 {
		patience = Patience
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no result within %s: ask for less time with --since and --until", patience))
	defer cancel()
	started, err := l.Client.StartQuery(ctx, &cloudwatchlogs.StartQueryInput{
		LogGroupNames: l.Groups, QueryString: &query, Limit: aws.Int32(Limit),
		StartTime: aws.Int64(from.Unix()), EndTime: aws.Int64(to.Unix() + 1),
	})
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) {
		return nil, fmt.Errorf("%w: not all of %s are there: check the stack's name and AWS_REGION: %s", ErrNoLogs, strings.Join(l.Groups, ", "), missing.ErrorMessage())
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, l.left(ctx)
	case err != nil:
		return nil, awsfault.Wrap(ctx, "starting the query", err)
	}
	results, err := l.await(ctx, started.QueryId)
	if err != nil {
		return nil, err
	}
	return oldestFirst(results), nil
}

// oldestFirst are the lines of results, which come newest first, as far as the service sorts them.
func oldestFirst(results [][]types.ResultField) []string {
	type line struct{ at, text string }
	all := make([]line, 0, len(results))
	for _, fields := range slices.Backward(results) {
		var l line
		for _, f := range fields {
			switch aws.ToString(f.Field) {
			case "@timestamp":
				l.at = aws.ToString(f.Value)
			case "@message":
				l.text = strings.TrimRight(aws.ToString(f.Value), "\r\n")
			}
		}
		all = append(all, l)
	}
	slices.SortStableFunc(all, func(a, b line) int { return strings.Compare(a.at, b.at) })
	texts := make([]string, len(all))
	for i, l := range all {
		texts[i] = l.text
	}
	return texts
}

// await looks at a query until it has ended.
func (l *Logs) await(ctx context.Context, id *string) ([][]types.ResultField, error) {
	pause := firstLook
	for {
		if err := l.pause(ctx, pause); err != nil {
			return nil, errors.Join(l.left(ctx), l.stop(ctx, id))
		}
		pause = min(2*pause, maxLook)
		out, err := l.Client.GetQueryResults(ctx, &cloudwatchlogs.GetQueryResultsInput{QueryId: id})
		switch {
		case ctx.Err() != nil:
			return nil, errors.Join(l.left(ctx), l.stop(ctx, id))
		case err != nil:
			return nil, errors.Join(awsfault.Wrap(ctx, "reading the results of query "+aws.ToString(id), err), l.stop(ctx, id))
		}
		switch out.Status {
		case types.QueryStatusScheduled, types.QueryStatusRunning, types.QueryStatusUnknown:
		case types.QueryStatusComplete:
			return out.Results, nil
		default:
			return nil, fmt.Errorf("%w: query %s is %s", ErrFailed, aws.ToString(id), out.Status)
		}
	}
}

func (l *Logs) pause(ctx context.Context, d time.Duration) error {
	if l.wait != nil {
		return l.wait(ctx, d)
	}
	return wait.For(ctx, d)
}

// left is why a query was not waited for.
func (l *Logs) left(ctx context.Context) error {
	return fmt.Errorf("waiting for the query: %w", context.Cause(ctx))
}

// stop ends a query, which goes on costing otherwise. That it has ended by itself meanwhile is
// no failure.
func (l *Logs) stop(ctx context.Context, id *string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer cancel()
	_, err := l.Client.StopQuery(ctx, &cloudwatchlogs.StopQueryInput{QueryId: id})
	var ended *types.InvalidParameterException
	if err == nil || errors.As(err, &ended) {
		return nil
	}
	return awsfault.Wrap(ctx, "stopping query "+aws.ToString(id)+", which goes on", err)
}
