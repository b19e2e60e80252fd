package feed

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"gakushoku/internal/event"
	"gakushoku/internal/store/awsfault"
	"gakushoku/internal/store/dynamo/eventitem"
)

// Limits of one read of a shard. A page of an open shard may be empty although later ones are not; the next
// read then continues from the remembered iterator.
const (
	maxPages     = 100
	maxRecords   = 1000 // per page, a limit of the service
	maxIterators = 1000
)

// trimmed is the code for records that are older than the stream keeps.
const trimmed = "TrimmedDataAccessException"

// position is a place in a shard: after a record, or before the first.
type position struct{ stream, shard, sequence string }

// readShard reads records of one shard and moves the cursor past them.
func (f *Feed) readShard(ctx context.Context, at *feedCursor, shard types.Shard, limit int) ([]event.Event, error) {
	id := aws.ToString(shard.ShardId)
	closed := shard.SequenceNumberRange != nil && shard.SequenceNumberRange.EndingSequenceNumber != nil
	read := at.Shards[id]
	var events []event.Event
	for page := 0; page < maxPages && len(events) < limit; page++ {
		out, err := f.page(ctx, position{at.Stream, id, read.Sequence}, limit-len(events))
		if err != nil {
			return nil, err
		}
		for _, record := range out.Records {
			e, isEvent, err := eventOfRecord(record)
			if err != nil {
				return nil, fmt.Errorf("reading the feed of table %s: %w", f.table, err)
			}
			if isEvent {
				events = append(events, e)
			}
			read.Sequence = aws.ToString(record.Dynamodb.SequenceNumber)
		}
		if out.NextShardIterator == nil {
			read.Done = true
			break
		}
		f.remember(position{at.Stream, id, read.Sequence}, *out.NextShardIterator)
		if len(out.Records) == 0 && !closed {
			break
		}
	}
	return events, nil
}

// page reads the records after a position.
func (f *Feed) page(ctx context.Context, p position, limit int) (*dynamodbstreams.GetRecordsOutput, error) {
	iterator, remembered := f.recall(p)
	for {
		if !remembered {
			var err error
			if iterator, err = f.iterator(ctx, p); err != nil {
				return nil, err
			}
		}
		out, err := f.streams.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{
			ShardIterator: &iterator,
			Limit:         aws.Int32(int32(min(limit, maxRecords))),
		})
		if err == nil {
			return out, nil
		}
		// A remembered iterator may have expired, after 15 minutes, and DynamoDB Local takes one of an empty
		// shard for trimmed. A new iterator for the position shows whether it is.
		if remembered && (awsfault.HasCode(err, "ExpiredIteratorException") || awsfault.HasCode(err, trimmed)) {
			remembered = false
			continue
		}
		return nil, f.wrap(ctx, err)
	}
}

func (f *Feed) iterator(ctx context.Context, p position) (string, error) {
	in := &dynamodbstreams.GetShardIteratorInput{
		StreamArn:         &p.stream,
		ShardId:           &p.shard,
		ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	}
	if p.sequence != "" {
		in.ShardIteratorType, in.SequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, &p.sequence
	}
	out, err := f.streams.GetShardIterator(ctx, in)
	if err != nil {
		return "", f.wrap(ctx, err)
	}
	return aws.ToString(out.ShardIterator), nil
}

func (f *Feed) wrap(ctx context.Context, err error) error {
	if ctx.Err() == nil && (awsfault.HasCode(err, trimmed) || awsfault.HasCode(err, notFound)) {
		return fmt.Errorf("reading the feed of table %s: %w (%w)", f.table, ErrCursor, err)
	}
	return awsfault.Wrap(ctx, "reading the feed of table "+f.table, err)
}

// recall removes and returns the remembered iterator of a position.
func (f *Feed) recall(p position) (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	iterator, ok := f.iterators[p]
	delete(f.iterators, p)
	return iterator, ok
}

func (f *Feed) remember(p position, iterator string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.iterators) >= maxIterators {
		clear(f.iterators) // of readers that are gone; the others request new ones
	}
	f.iterators[p] = iterator
}

// eventOfRecord returns the event that a record describes; false if the record is not of a new item, which
// this system never causes in the event table.
func eventOfRecord(record types.Record) (event.Event, bool, error) {
	if record.EventName != types.OperationTypeInsert {
		return event.Event{}, false, nil
	}
	fields := make(map[string]string, len(record.Dynamodb.NewImage))
	for name, value := range record.Dynamodb.NewImage {
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			fields[name] = v.Value
		case *types.AttributeValueMemberN:
			fields[name] = v.Value
		}
	}
	e, err := eventitem.Decode(fields)
	return e, err == nil, err
}
