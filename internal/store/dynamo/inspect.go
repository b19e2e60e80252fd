package dynamo

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
)

// Scan implements projection.Inspector.
func (s *Tables) Scan(ctx context.Context, t projection.Table, part eventstore.Part, cursor string, limit int) ([]projection.Record, string, error) {
	from, err := decodeCursor(cursor, attrPK)
	if err != nil {
		return nil, "", fmt.Errorf("scanning table %s: %w", s.name(t), err)
	}
	in := &dynamodb.ScanInput{
		TableName:        aws.String(s.name(t)),
		ConsistentRead:   aws.Bool(true),
		FilterExpression: aws.String("attribute_exists(" + attrWrites + ")"), // rows only
	}
	in.Segment, in.TotalSegments = segmentOf(part)
	if from != nil {
		in.ExclusiveStartKey = rowKey(from[attrPK])
	}
	var records []projection.Record
	for len(records) < limit {
		in.Limit = aws.Int32(int32(min(limit-len(records), 1<<20)))
		out, err := s.client.Scan(ctx, in)
		if err != nil {
			return nil, "", s.wrap(ctx, t, "scanning", err)
		}
		for _, it := range out.Items {
			r, err := recordOf(it)
			if err != nil {
				return nil, "", fmt.Errorf("scanning table %s: %w", s.name(t), err)
			}
			records = append(records, r)
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(out.LastEvaluatedKey) == 0 {
			return records, "", nil
		}
	}
	if len(records) == 0 {
		return nil, cursor, nil
	}
	return records, encodeCursor(map[string]string{attrPK: records[len(records)-1].Stream}), nil
}

// ParkedRecords implements projection.Inspector. It walks the index of parked rows, shard by shard, and reads
// the rows themselves.
func (s *Tables) ParkedRecords(ctx context.Context, t projection.Table, cursor string, limit int) ([]projection.Record, string, error) {
	shard, after, err := parkedCursor(cursor)
	if err != nil {
		return nil, "", fmt.Errorf("listing the parked rows of table %s: %w", s.name(t), err)
	}
	var records []projection.Record
	for shard < parkedShards && len(records) < limit {
		wanted := limit - len(records)
		streams, err := s.parkedShard(ctx, t, shard, after, wanted)
		if err != nil {
			return nil, "", err
		}
		found, err := s.Records(ctx, t, streams)
		if err != nil {
			return nil, "", err
		}
		for _, stream := range streams {
			if r, ok := found[stream]; ok && r.Parked != nil {
				records = append(records, r)
			}
		}
		if len(streams) < wanted {
			shard, after = shard+1, ""
		} else {
			after = streams[len(streams)-1]
		}
	}
	if shard >= parkedShards {
		return records, "", nil
	}
	return records, encodeCursor(map[string]string{"shard": strconv.Itoa(shard), "after": after}), nil
}

func parkedCursor(cursor string) (shard int, after string, err error) {
	from, err := decodeCursor(cursor, "shard")
	if err != nil || from == nil {
		return 0, "", err
	}
	shard, err = strconv.Atoi(from["shard"])
	if err != nil || shard < 0 {
		return 0, "", fmt.Errorf("cursor %q is not one of this store: start again without one", cursor)
	}
	return shard, from["after"], nil
}

func (s *Tables) parkedShard(ctx context.Context, t projection.Table, shard int, after string, limit int) ([]string, error) {
	in := &dynamodb.QueryInput{
		TableName:                 aws.String(s.name(t)),
		IndexName:                 aws.String(parkedIndex),
		KeyConditionExpression:    aws.String(attrParkedShard + " = :shard AND " + attrPK + " > :after"),
		ExpressionAttributeValues: item{":shard": str(strconv.Itoa(shard)), ":after": str(rowPrefix + after)},
	}
	items, err := s.queryUpTo(ctx, t, in, limit)
	if err != nil {
		return nil, err
	}
	streams := make([]string, len(items))
	for i, it := range items {
		streams[i] = streamOf(it)
	}
	return streams, nil
}

// Totals implements projection.Inspector. It reads each shard consistently, but not all at one moment.
func (s *Tables) Totals(ctx context.Context, t projection.Table) (map[string]map[string]int64, error) {
	totals := map[string]map[string]int64{}
	for shard := range totalShards {
		items, err := s.queryUpTo(ctx, t, &dynamodb.QueryInput{
			TableName:                 aws.String(s.name(t)),
			ConsistentRead:            aws.Bool(true),
			KeyConditionExpression:    aws.String(attrPK + " = :shard"),
			ExpressionAttributeValues: item{":shard": str(totalPrefix + strconv.Itoa(shard))},
		}, math.MaxInt)
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			key := text(it, attrSK)
			if totals[key] == nil {
				totals[key] = map[string]int64{}
			}
			if err := addTotals(totals[key], it); err != nil {
				return nil, fmt.Errorf("reading table %s: %w", s.name(t), err)
			}
		}
	}
	for key, fields := range totals {
		if len(fields) == 0 {
			delete(totals, key)
		}
	}
	return totals, nil
}
