package dynamo

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/store/dynamo/eventitem"
)

// parallel bounds the concurrent calls of one method.
const parallel = 16

// Load implements eventstore.Loader.
func (s *Events) Load(ctx context.Context, stream string, after uint64) ([]event.Event, error) {
	if stream == "" || after >= event.MaxVersion {
		return nil, ctx.Err()
	}
	var events []event.Event
	var from item
	for {
		out, err := s.client.Query(ctx, &dynamodb.QueryInput{
			TableName:                 &s.table,
			ConsistentRead:            aws.Bool(true),
			KeyConditionExpression:    aws.String("#stream = :stream AND #version > :after"),
			ExpressionAttributeNames:  map[string]string{"#stream": eventitem.Stream, "#version": eventitem.Version},
			ExpressionAttributeValues: item{":stream": str(stream), ":after": num(after)},
			ExclusiveStartKey:         from,
		})
		if err != nil {
			return nil, wrap(ctx, fmt.Sprintf("loading %s from table %s", stream, s.table), err)
		}
		events = slices.Grow(events, len(out.Items))
		for _, it := range out.Items {
			e, err := eventOf(it)
			if err != nil {
				return nil, fmt.Errorf("loading from table %s: %w", s.table, err)
			}
			events = append(events, e)
		}
		if from = out.LastEvaluatedKey; len(from) == 0 {
			return events, nil
		}
	}
}

// LoadMany implements eventstore.Loader, with a bounded number of concurrent queries.
func (s *Events) LoadMany(ctx context.Context, streams []string) (map[string][]event.Event, error) {
	var mu sync.Mutex
	all := make(map[string][]event.Event, len(streams))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, stream := range unique(streams) {
		group.Go(func() error {
			events, err := s.Load(groupCtx, stream, 0)
			if err != nil || len(events) == 0 {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			all[stream] = events
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return all, ctx.Err()
}

// unique returns the names in order without repetitions, which the store refuses in a batch.
func unique(names []string) []string {
	sorted := slices.Sorted(slices.Values(names))
	return slices.Compact(sorted)
}

// scanFactor is how many items Streams reads for each name requested: a stream has about six events.
const scanFactor = 8

// Streams implements eventstore.Lister. It scans all items and keeps the first of each stream.
func (s *Events) Streams(ctx context.Context, part eventstore.Part, cursor string, limit int) ([]string, string, error) {
	from, err := decodeCursor(cursor, eventitem.Stream)
	if err != nil {
		return nil, "", fmt.Errorf("listing streams: %w", err)
	}
	var start item
	if from != nil {
		start = firstOf(from[eventitem.Stream])
	}
	segment, segments := segmentOf(part)
	var names []string
	look := min(limit, 1<<16) * scanFactor
	for len(names) < limit {
		// A filter would only save bytes on the wire, since the store charges for all items scanned; and
		// emulators refuse a filter on a key.
		out, err := s.client.Scan(ctx, &dynamodb.ScanInput{
			TableName:                &s.table,
			ConsistentRead:           aws.Bool(true),
			ProjectionExpression:     aws.String("#stream, #version"),
			ExpressionAttributeNames: map[string]string{"#stream": eventitem.Stream, "#version": eventitem.Version},
			ExclusiveStartKey:        start,
			Limit:                    aws.Int32(int32(look)),
			Segment:                  segment,
			TotalSegments:            segments,
		})
		if err != nil {
			return nil, "", wrap(ctx, "listing the streams of table "+s.table, err)
		}
		found := firsts(out.Items)
		taken := min(len(found), limit-len(names))
		names = append(names, found[:taken]...)
		if taken == 0 {
			look = min(2*look, 1<<20) // within a long stream
		}
		if start = out.LastEvaluatedKey; len(start) == 0 && taken == len(found) {
			return names, "", nil
		}
	}
	if len(names) == 0 {
		return nil, cursor, nil
	}
	return names, encodeCursor(map[string]string{eventitem.Stream: names[len(names)-1]}), nil
}

// segmentOf returns a part as a parallel scan takes it; nil for everything.
func segmentOf(part eventstore.Part) (segment, segments *int32) {
	if part.Count <= 1 {
		return nil, nil
	}
	return aws.Int32(int32(part.Index)), aws.Int32(int32(part.Count))
}

// firsts returns the streams whose first event is among items.
func firsts(items []item) []string {
	var names []string
	for _, it := range items {
		if text(it, eventitem.Version) == "1" {
			names = append(names, text(it, eventitem.Stream))
		}
	}
	return names
}

// firstOf returns the key of a stream's first event, to continue a walk after it: the stream's later events
// are skipped anyway.
func firstOf(stream string) item {
	return item{eventitem.Stream: str(stream), eventitem.Version: num(1)}
}

// itemAt reads the item with the same key as it.
func (s *Events) itemAt(ctx context.Context, it item) (item, error) {
	out, err := s.client.Query(ctx, &dynamodb.QueryInput{
		TableName:                 &s.table,
		ConsistentRead:            aws.Bool(true),
		KeyConditionExpression:    aws.String("#stream = :stream AND #version = :version"),
		ExpressionAttributeNames:  map[string]string{"#stream": eventitem.Stream, "#version": eventitem.Version},
		ExpressionAttributeValues: item{":stream": it[eventitem.Stream], ":version": it[eventitem.Version]},
	})
	if err != nil {
		return nil, wrap(ctx, "reading again what an append met in table "+s.table, err)
	}
	if len(out.Items) == 0 {
		return nil, nil
	}
	return out.Items[0], nil
}

func eventOf(it item) (event.Event, error) {
	fields := make(map[string]string, len(it))
	for name := range it {
		fields[name] = text(it, name)
	}
	return eventitem.Decode(fields)
}
