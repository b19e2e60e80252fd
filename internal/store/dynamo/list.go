package dynamo

import (
	"cmp"
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"gakushoku/internal/engine/projection"
)

// listed is an entry of the bucket index.
type listed struct{ sort, stream string }

// List implements projection.Browser. It merges the shards of the bucket, then reads the rows themselves,
// since the index holds only keys.
func (s *Tables) List(ctx context.Context, t projection.Table, bucket, after string, limit int) ([]projection.Record, error) {
	var rows []projection.Record
	for bucket != "" && len(rows) < limit {
		wanted := limit - len(rows)
		entries, err := s.listEntries(ctx, t, bucket, after, wanted)
		if err != nil {
			return nil, err
		}
		page, err := s.listedRows(ctx, t, bucket, entries)
		if err != nil {
			return nil, err
		}
		rows = append(rows, page...)
		if len(entries) < wanted {
			break
		}
		// Outdated entries leave room for more rows.
		after = entries[len(entries)-1].sort
	}
	return rows, ctx.Err()
}

// listedRows reads the rows of entries. It omits those that are not in the bucket any more, since the index
// may lag.
func (s *Tables) listedRows(ctx context.Context, t projection.Table, bucket string, entries []listed) ([]projection.Record, error) {
	streams := make([]string, len(entries))
	for i, e := range entries {
		streams[i] = e.stream
	}
	records, err := s.Records(ctx, t, streams)
	if err != nil {
		return nil, err
	}
	rows := make([]projection.Record, 0, len(entries))
	for _, e := range entries {
		if r, ok := records[e.stream]; ok && r.Visible() && r.Place.Bucket == bucket && r.Place.Sort == e.sort {
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// listEntries returns at most limit of a bucket's newest entries after the given one.
func (s *Tables) listEntries(ctx context.Context, t projection.Table, bucket, after string, limit int) ([]listed, error) {
	var shards [listShards][]listed
	group, groupCtx := errgroup.WithContext(ctx)
	for i := range shards {
		group.Go(func() (err error) {
			shards[i], err = s.listShard(groupCtx, t, listKey(bucket, i), after, limit)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	entries := slices.Concat(shards[:]...)
	slices.SortFunc(entries, func(a, b listed) int {
		return cmp.Or(cmp.Compare(b.sort, a.sort), cmp.Compare(a.stream, b.stream))
	})
	return entries[:min(len(entries), limit)], nil
}

func (s *Tables) listShard(ctx context.Context, t projection.Table, shard, after string, limit int) ([]listed, error) {
	in := &dynamodb.QueryInput{
		TableName:                 aws.String(s.name(t)),
		IndexName:                 aws.String(listIndex),
		KeyConditionExpression:    aws.String(attrList + " = :shard"),
		ExpressionAttributeValues: item{":shard": str(shard)},
		ScanIndexForward:          aws.Bool(false),
	}
	if after != "" {
		in.KeyConditionExpression = aws.String(attrList + " = :shard AND " + attrSort + " < :after")
		in.ExpressionAttributeValues[":after"] = str(after)
	}
	items, err := s.queryUpTo(ctx, t, in, limit)
	if err != nil {
		return nil, err
	}
	entries := make([]listed, len(items))
	for i, it := range items {
		entries[i] = listed{text(it, attrSort), streamOf(it)}
	}
	return entries, nil
}

// Buckets implements projection.Browser, from the markers that were stored with the buckets' rows.
func (s *Tables) Buckets(ctx context.Context, t projection.Table, before string, limit int) ([]string, error) {
	in := &dynamodb.QueryInput{
		TableName:                 aws.String(s.name(t)),
		ConsistentRead:            aws.Bool(true),
		KeyConditionExpression:    aws.String(attrPK + " = :markers"),
		ExpressionAttributeValues: item{":markers": str(markersPK)},
		ScanIndexForward:          aws.Bool(false),
	}
	if before != "" {
		in.KeyConditionExpression = aws.String(attrPK + " = :markers AND " + attrSK + " < :before")
		in.ExpressionAttributeValues[":before"] = str(before)
	}
	items, err := s.queryUpTo(ctx, t, in, limit)
	if err != nil {
		return nil, err
	}
	var buckets []string
	for _, it := range items {
		buckets = append(buckets, text(it, attrSK))
	}
	return buckets, nil
}

// queryUpTo runs a query, page by page, until it has limit items or there are no more.
func (s *Tables) queryUpTo(ctx context.Context, t projection.Table, in *dynamodb.QueryInput, limit int) ([]item, error) {
	var items []item
	for len(items) < limit {
		in.Limit = aws.Int32(int32(min(limit-len(items), 1<<20)))
		out, err := s.client.Query(ctx, in)
		if err != nil {
			return nil, s.wrap(ctx, t, "querying", err)
		}
		items = append(items, out.Items...)
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(out.LastEvaluatedKey) == 0 {
			break
		}
	}
	return items, nil
}
