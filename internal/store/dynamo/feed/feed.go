// Package feed reads the stream of an event table, for local runs, tests and benchmarks. On AWS, Lambda's
// event source mappings read it, so no function links the client for streams.
package feed

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/store/awsfault"
)

// StreamsAPI is the part of the SDK that Feed uses. *dynamodbstreams.Client implements it.
type StreamsAPI interface {
	DescribeStream(context.Context, *dynamodbstreams.DescribeStreamInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.DescribeStreamOutput, error)
	GetShardIterator(context.Context, *dynamodbstreams.GetShardIteratorInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetShardIteratorOutput, error)
	GetRecords(context.Context, *dynamodbstreams.GetRecordsInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetRecordsOutput, error)
}

// DescribeAPI is the part of the SDK that Feed uses to find its table's stream.
type DescribeAPI interface {
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
}

// Feed implements eventstore.Feed over the stream of an event table, for local runs, tests and benchmarks. On
// AWS, Lambda's event source mapping reads the stream instead, with less delay and without taking one of the
// two readers that a shard allows. A stream keeps 24 hours.
type Feed struct {
	tables  DescribeAPI
	streams StreamsAPI
	table   string

	mu        sync.Mutex
	iterators map[position]string // where a read of a shard stopped; only saves calls and skips empty pages
}

var _ eventstore.Feed = (*Feed)(nil)

// New returns the feed of an event table that has a stream of new images.
func New(tables DescribeAPI, streams StreamsAPI, table string) *Feed {
	return &Feed{tables: tables, streams: streams, table: table, iterators: map[position]string{}}
}

// feedCursor is how far Read has come. Its JSON, in base64, is the opaque cursor.
type feedCursor struct {
	Stream string                `json:"stream"` // the ARN
	Shards map[string]*shardRead `json:"shards"`
	Last   string                `json:"last,omitempty"` // the shard that was read last: another one is next
}

// shardRead is how far a shard was read.
type shardRead struct {
	Sequence string `json:"sequence,omitempty"` // of the last record; "" before the first
	Done     bool   `json:"done,omitempty"`     // it is closed and was read to its end
}

// ErrCursor means that a cursor no longer fits the feed: the table was created again, or the reader was away
// for longer than the stream keeps. Events may be missing from the feed; the event table has them all.
var ErrCursor = errors.New("the feed does not go on from this cursor: start with an empty one and heal or rebuild what reads it")

// errNotDescribed is the error for an empty description, which the service never sends.
var errNotDescribed = fault.Unavailable(errors.New("the response describes nothing"))

// notFound is the code of a stream or table that does not exist.
const notFound = "ResourceNotFoundException"

// Read implements eventstore.Feed. It reads the children of a shard after it, so that the events of an event
// stream come in their order.
func (f *Feed) Read(ctx context.Context, cursor string, limit int) ([]event.Event, string, error) {
	at, err := f.decode(ctx, cursor)
	if err != nil {
		return nil, "", err
	}
	shards, ended, err := f.shards(ctx, at.Stream)
	if err != nil {
		return nil, "", err
	}
	at.settle(shards)
	var events []event.Event
	visited := map[string]bool{}
	for len(events) < limit {
		shard, ok := at.turn(shards, visited)
		if !ok {
			break
		}
		found, err := f.readShard(ctx, at, shard, limit-len(events))
		if err != nil {
			return nil, "", err
		}
		events = append(events, found...)
		at.Last = aws.ToString(shard.ShardId)
		visited[at.Last] = true
	}
	if ended && len(events) == 0 {
		return nil, "", fmt.Errorf("stream %s has ended, and was read to its end: %w", at.Stream, ErrCursor)
	}
	next, err := json.Marshal(at)
	if err != nil {
		return nil, "", fmt.Errorf("encoding the cursor of the feed: %w", err)
	}
	return events, base64.RawURLEncoding.EncodeToString(next), nil
}

// decode reads a cursor, or returns the one before all events.
func (f *Feed) decode(ctx context.Context, cursor string) (*feedCursor, error) {
	if cursor == "" {
		out, err := f.tables.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &f.table})
		if err != nil {
			return nil, awsfault.Wrap(ctx, "looking for the stream of table "+f.table, err)
		}
		if out.Table == nil {
			return nil, fmt.Errorf("looking for the stream of table %s: %w", f.table, errNotDescribed)
		}
		if out.Table.LatestStreamArn == nil {
			return nil, fmt.Errorf("table %s has no stream: enable one with new images", f.table)
		}
		return &feedCursor{Stream: *out.Table.LatestStreamArn, Shards: map[string]*shardRead{}}, nil
	}
	var at feedCursor
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(raw, &at)
	}
	if err != nil || at.Stream == "" {
		return nil, fmt.Errorf("cursor %q is not one of this feed", cursor)
	}
	if at.Shards == nil {
		at.Shards = map[string]*shardRead{}
	}
	return &at, nil
}

// shards returns the shards of the stream, and whether the stream has ended: that of a dropped table can be
// read for a day.
func (f *Feed) shards(ctx context.Context, stream string) (all []types.Shard, ended bool, err error) {
	in := &dynamodbstreams.DescribeStreamInput{StreamArn: &stream}
	for {
		out, err := f.streams.DescribeStream(ctx, in)
		if awsfault.HasCode(err, notFound) {
			return nil, false, fmt.Errorf("stream %s is gone: %w", stream, ErrCursor)
		}
		if err != nil {
			return nil, false, awsfault.Wrap(ctx, "listing the shards of table "+f.table, err)
		}
		if out.StreamDescription == nil {
			return nil, false, fmt.Errorf("listing the shards of table %s: %w", f.table, errNotDescribed)
		}
		all = append(all, out.StreamDescription.Shards...)
		if in.ExclusiveStartShardId = out.StreamDescription.LastEvaluatedShardId; in.ExclusiveStartShardId == nil {
			return all, out.StreamDescription.StreamStatus == types.StreamStatusDisabled, nil
		}
	}
}

// settle removes shards that the stream no longer has, and adds new ones.
func (c *feedCursor) settle(shards []types.Shard) {
	known := make(map[string]*shardRead, len(shards))
	for _, shard := range shards {
		id := aws.ToString(shard.ShardId)
		if known[id] = c.Shards[id]; known[id] == nil {
			known[id] = &shardRead{}
		}
	}
	c.Shards = known
}

// turn returns the shard to read next: one that is not finished, whose parent is, and that was not visited in
// this call. It goes around from the shard that was read last, so that a busy shard does not hold up the
// others.
func (c *feedCursor) turn(shards []types.Shard, visited map[string]bool) (types.Shard, bool) {
	var ready []types.Shard
	for _, shard := range shards {
		id := aws.ToString(shard.ShardId)
		parent := c.Shards[aws.ToString(shard.ParentShardId)]
		if !visited[id] && !c.Shards[id].Done && (parent == nil || parent.Done) {
			ready = append(ready, shard)
		}
	}
	if len(ready) == 0 {
		return types.Shard{}, false
	}
	slices.SortFunc(ready, func(a, b types.Shard) int { return strings.Compare(*a.ShardId, *b.ShardId) })
	for _, shard := range ready {
		if *shard.ShardId > c.Last {
			return shard, true
		}
	}
	return ready[0], true
}
