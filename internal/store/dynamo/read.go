package dynamo

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/retry"
	"gakushoku/internal/store/awsfault"
)

// batchRetries is how a batch waits for keys that the store did not process: it leaves some when it is busy,
// and beyond 16 MB.
var batchRetries = retry.Policy{Tries: 10, First: 20 * time.Millisecond, Longest: time.Second, Jitter: 1}

// Records implements projection.Tables.
func (s *Tables) Records(ctx context.Context, t projection.Table, streams []string) (map[string]projection.Record, error) {
	streams = unique(streams)
	wanted := make([]item, 0, len(streams))
	for _, stream := range streams {
		wanted = append(wanted, rowKey(stream))
	}
	found, err := s.batchGet(ctx, t, wanted)
	if err != nil {
		return nil, err
	}
	records := make(map[string]projection.Record, len(found))
	for _, it := range found {
		r, err := recordOf(it)
		if err != nil {
			return nil, fmt.Errorf("reading table %s: %w", s.name(t), err)
		}
		records[r.Stream] = r
	}
	return records, nil
}

// Record implements projection.Browser.
func (s *Tables) Record(ctx context.Context, t projection.Table, stream string) (projection.Record, error) {
	it, err := s.get(ctx, t, rowKey(stream))
	if err != nil {
		return projection.Record{}, err
	}
	if len(it) == 0 {
		return projection.Record{}, fmt.Errorf("%s in table %s: %w", stream, s.name(t), projection.ErrNoRecord)
	}
	r, err := recordOf(it)
	if err != nil {
		return projection.Record{}, fmt.Errorf("reading table %s: %w", s.name(t), err)
	}
	return r, nil
}

// Total implements projection.Browser. It reads each shard consistently, but not all at one moment.
func (s *Tables) Total(ctx context.Context, t projection.Table, key string) (map[string]int64, error) {
	shards := make([]item, totalShards)
	for i := range shards {
		shards[i] = totalKey(i, key)
	}
	found, err := s.batchGet(ctx, t, shards)
	if err != nil {
		return nil, err
	}
	sums := map[string]int64{}
	for _, it := range found {
		if err := addTotals(sums, it); err != nil {
			return nil, fmt.Errorf("reading table %s: %w", s.name(t), err)
		}
	}
	return sums, nil
}

// addTotals adds the fields of one shard of a total to sums, and removes fields that become 0.
func addTotals(sums map[string]int64, it item) error {
	for name := range it {
		field, ok := strings.CutPrefix(name, fieldPrefix)
		if !ok {
			continue
		}
		amount, err := strconv.ParseInt(text(it, name), 10, 64)
		if err != nil {
			return fmt.Errorf("total %s, field %s is %q, which does not fit 64 bits", text(it, attrSK), field, text(it, name))
		}
		sums[field] += amount
		if sums[field] == 0 {
			delete(sums, field)
		}
	}
	return nil
}

// get reads one item consistently; it returns an empty one if there is none.
func (s *Tables) get(ctx context.Context, t projection.Table, key item) (item, error) {
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName:      aws.String(s.name(t)),
		Key:            key,
		ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, s.wrap(ctx, t, "reading", err)
	}
	return out.Item, nil
}

// batchGet reads items consistently, in any order, and omits missing ones. The keys must be unique.
func (s *Tables) batchGet(ctx context.Context, t projection.Table, wanted []item) ([]item, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	parts := slices.Collect(slices.Chunk(wanted, maxBatchGet))
	results := make([][]item, len(parts))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, part := range parts {
		group.Go(func() (err error) {
			results[i], err = s.batchGetPart(groupCtx, t, part)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(results...), nil
}

func (s *Tables) batchGetPart(ctx context.Context, t projection.Table, wanted []item) ([]item, error) {
	name := s.name(t)
	var found []item
	for len(wanted) > 0 {
		// Only attempts that return no items count, since large results come in parts.
		err := retry.Do(ctx, batchRetries, func() (bool, error) {
			out, err := s.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
				RequestItems: map[string]types.KeysAndAttributes{name: {Keys: wanted, ConsistentRead: aws.Bool(true)}},
			})
			if err != nil {
				return false, s.wrap(ctx, t, "reading", err)
			}
			found = append(found, out.Responses[name]...)
			if wanted = out.UnprocessedKeys[name].Keys; len(wanted) == 0 || len(out.Responses[name]) > 0 {
				return false, nil
			}
			return true, fault.UnavailableFor(fmt.Errorf("reading table %s: it kept leaving %d rows unanswered", name, len(wanted)), awsfault.ThrottledFor)
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}
