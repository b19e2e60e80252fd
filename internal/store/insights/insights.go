// Package insights queries CloudWatch Logs Insights for the log lines of a stack's functions.
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

// Limit is the service's maximum of lines per query.
const Limit = 10_000

// The pauses between polls of a query: it takes at least a second, and the service limits the rate of
// polls.
const (
	firstLook = 500 * time.Millisecond
	maxLook   = 5 * time.Second
)

// Patience is the default time limit of a query. The service itself gives up after an hour.
const Patience = 5 * time.Minute

// stopLimit is the time limit for stopping a query.
const stopLimit = 5 * time.Second

// The errors of a query, apart from those of the service.
var (
	ErrNoLogs = errors.New("there are no logs")
	ErrFailed = errors.New("the query failed")
)

// Client is the part of *cloudwatchlogs.Client that is used.
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
	Patience time.Duration // time limit of a query; 0 is the constant

	wait func(context.Context, time.Duration) error // for tests; nil is wait.For
}

// Lines runs a query for @timestamp and @message, newest lines first, over a time range. It returns the
// lines oldest first. It stops a query that does not end in time.
func (l *Logs) Lines(ctx context.Context, query string, from, to time.Time) ([]string, error) {
	patience := l.Patience
	if patience <= 0 {
		patience = Patience
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no result within %s: narrow the time range with --since and --until", patience))
	defer cancel()
	started, err := l.Client.StartQuery(ctx, &cloudwatchlogs.StartQueryInput{
		LogGroupNames: l.Groups, QueryString: &query, Limit: aws.Int32(Limit),
		StartTime: aws.Int64(from.Unix()), EndTime: aws.Int64(to.Unix() + 1),
	})
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) {
		return nil, fmt.Errorf("%w: not all of %s exist: check the stack's name and AWS_REGION: %s", ErrNoLogs, strings.Join(l.Groups, ", "), missing.ErrorMessage())
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

// oldestFirst returns the lines of results, which come newest first as far as the service sorts them.
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

// await polls a query until it ends.
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

// left returns why the wait for a query ended early.
func (l *Logs) left(ctx context.Context) error {
	return fmt.Errorf("waiting for the query: %w", context.Cause(ctx))
}

// stop ends a query, which would otherwise go on costing money. It is not an error if the query has ended
// meanwhile.
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
