package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/fault/retry"
)

var _ projection.Sink = (*Tables)(nil)

const (
	// bulkParallel bounds the concurrent row writes of one part.
	bulkParallel = 64
	// maxPartName bounds a part's name in bytes: with its prefix it is a key.
	maxPartName = 1000
)

// How bulk calls are repeated after the SDK has given up. A new table takes a few thousand writes a second
// and grows, so throttling is normal.
var bulkRetries = retry.Policy{Tries: 8, First: 50 * time.Millisecond, Longest: 5 * time.Second, Jitter: 1}

// The items that record which of a part's writes are in.
const (
	partPrefix = "p#"
	partSort   = "part"
	attrRows   = "rows"
)

func partKey(name string) item { return item{attrPK: str(partPrefix + name), attrSK: str(partSort)} }

// PutPart implements projection.Sink: a put for each row, on condition that the table does not have the row
// at its version or later; then the totals, in transactions that each take effect once; then a note that the
// part is in. An interrupted part is partly stored until it is put again.
func (s *Tables) PutPart(ctx context.Context, t projection.Table, part projection.BulkPart) (int, error) {
	doing := "putting part " + part.Name + " into"
	if part.Name == "" || len(part.Name) > maxPartName {
		return 0, fmt.Errorf("%s table %s: a part's name has 1 to %d bytes", doing, s.name(t), maxPartName)
	}
	found, err := s.get(ctx, t, partKey(part.Name))
	if err != nil {
		return 0, err
	}
	if len(found) > 0 {
		rows, err := whole(found, attrRows)
		return int(rows), err
	}
	rows, err := s.putRows(ctx, t, part)
	if err == nil {
		err = s.addPartTotals(ctx, t, part)
	}
	if err != nil {
		return 0, fmt.Errorf("%s table %s: %w", doing, s.name(t), err)
	}
	note := partKey(part.Name)
	note[attrRows] = num(rows)
	return rows, s.putItem(ctx, t, doing, &dynamodb.PutItemInput{Item: note})
}

// putRows stores a part's rows concurrently, and counts them. After a failure it starts no more writes, but
// waits for those under way instead of cancelling them: the store might still carry out a cancelled write,
// even in a table that was created again under the same name.
func (s *Tables) putRows(ctx context.Context, t projection.Table, part projection.BulkPart) (int, error) {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(bulkParallel)
	marked := map[string]bool{}
	rows := 0
	var broken error // error of the rows, returned unwrapped
	for r, err := range part.Rows {
		if groupCtx.Err() != nil {
			break
		}
		var it item
		if err == nil {
			it, err = rowItem(&r, 1, "")
		}
		if err != nil {
			broken = err
			break
		}
		if bucket := r.Place.Bucket; r.Visible() && bucket != "" && !marked[bucket] && !s.markers.has(t, bucket) {
			marked[bucket] = true
			group.Go(func() error { return s.putMarker(ctx, t, bucket) })
		}
		stream, version := r.Stream, r.Version
		group.Go(func() error { return s.putRow(ctx, t, stream, version, it) })
		rows++
	}
	if err := group.Wait(); err != nil && broken == nil {
		return 0, err
	}
	if broken == nil {
		broken = ctx.Err()
	}
	return rows, broken
}

func (s *Tables) putMarker(ctx context.Context, t projection.Table, bucket string) error {
	err := s.putItem(ctx, t, "marking bucket "+bucket+" of", &dynamodb.PutItemInput{Item: markerItem(bucket)})
	if err == nil {
		s.markers.add(t, bucket)
	}
	return err
}

// putRow stores a row unless the table has it at the same or a later version.
func (s *Tables) putRow(ctx context.Context, t projection.Table, stream string, version uint64, it item) error {
	err := s.putItem(ctx, t, "writing "+stream+" to", &dynamodb.PutItemInput{
		Item:                      it,
		ConditionExpression:       aws.String("attribute_not_exists(" + attrPK + ") OR " + attrVersion + " < :version"),
		ExpressionAttributeValues: item{":version": num(version)},
	})
	var there *types.ConditionalCheckFailedException
	if errors.As(err, &there) {
		return nil
	}
	return err
}

// putItem puts an item, repeating the call as patiently does.
func (s *Tables) putItem(ctx context.Context, t projection.Table, doing string, in *dynamodb.PutItemInput) error {
	in.TableName = aws.String(s.name(t))
	return patiently(ctx, func() error {
		_, err := s.client.PutItem(ctx, in)
		if err != nil {
			return s.wrap(ctx, t, doing, err)
		}
		return nil
	})
}

// patiently repeats try after retryable errors.
func patiently(ctx context.Context, try func() error) error {
	return retry.Do(ctx, bulkRetries, retry.Unavailable(try))
}

// Finish implements projection.Sink. It only checks that the table exists.
func (s *Tables) Finish(ctx context.Context, t projection.Table) error {
	_, err := s.get(ctx, t, partKey("-"))
	return err
}
