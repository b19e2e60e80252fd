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
	"gakushoku/internal/fault"
)

var _ projection.Sink = (*Tables)(nil)

const (
	// bulkParallel bounds the rows that a part has under way at once.
	bulkParallel = 64
	// maxPartName is how many bytes the name of a part may have: with its prefix it is a key.
	maxPartName = 1000
)

// How a call of a bulk is repeated that the SDK has given up: a new table takes a few
// thousand writes a second and grows, so that being told to slow down is the normal way.
const (
	bulkTries   = 8
	bulkWaitMin = 50 * time.Millisecond
	bulkWaitMax = 5 * time.Second
)

// The items that note what is in of a part.
const (
	partPrefix = "p#"
	partSort   = "part"
	attrRows   = "rows"
)

func partKey(name string) item { return item{attrPK: str(partPrefix + name), attrSK: str(partSort)} }

// PutPart is projection.Sink: a put for each row, on condition that there is none of its
// version, then the totals in transactions that are each done once, then a note that the part
// is in. A part that was broken off is there by half until it is put again.
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

// putRows stores the rows of a part, many at once, and counts them. Once one has failed no other
// begins, but those under way are waited for and not given up: the store may still carry out what
// was given up, even in a table that has been made anew under the same name.
func (s *Tables) putRows(ctx context.Context, t projection.Table, part projection.BulkPart) (int, error) {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(bulkParallel)
	marked := map[string]bool{}
	rows := 0
	var broken error // of the rows, which speak for themselves
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

// putRow stores a row unless there is one of its version, or of a later one.
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

// putItem puts an item, patiently.
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

// patiently repeats what a new try may cure.
func patiently(ctx context.Context, try func() error) error {
	for attempt := 1; ; attempt++ {
		err := try()
		if err == nil || attempt == bulkTries || fault.ClassOf(err) != fault.Infra || ctx.Err() != nil {
			return err
		}
		if err := pause(ctx, attempt-1, bulkWaitMin, bulkWaitMax); err != nil {
			return err
		}
	}
}

// Finish is projection.Sink. There is nothing left to do, but for a table that is gone.
func (s *Tables) Finish(ctx context.Context, t projection.Table) error {
	_, err := s.get(ctx, t, partKey("-"))
	return err
}
