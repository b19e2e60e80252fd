package dynamo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
)

const (
	// maxSumFields bounds the fields of one update, since an expression has at most 4 KB.
	maxSumFields = 200
	// chunkSums bounds the totals of one bulk transaction: with its marker it is full.
	chunkSums = maxTransactionItems - 1
)

// addPartTotals adds a part's totals in transactions, each with a marker of its own, so that it takes effect
// once. How the totals are divided depends only on the totals, so that all attempts at the part divide them
// alike.
func (s *Tables) addPartTotals(ctx context.Context, t projection.Table, part projection.BulkPart) error {
	for i, sums := range cutTotals(part.Totals()) {
		marker := item{attrPK: str(partPrefix + part.Name), attrSK: str("totals-" + strconv.Itoa(i))}
		if err := s.addOnce(ctx, t, marker, sums); err != nil {
			return err
		}
	}
	return nil
}

// cutTotals sums contributions by key, sorted by key and field, and divides them into lists that fit a
// transaction. A key with more fields than an update can name has several sums; two of them are never in one
// list.
func cutTotals(contributions []model.Contribution) [][]*totalSum {
	contributions = slices.Clone(contributions)
	slices.SortFunc(contributions, func(a, b model.Contribution) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Field, b.Field))
	})
	var chunks [][]*totalSum
	var last *totalSum
	for _, c := range contributions {
		if c.Amount == 0 {
			continue
		}
		if last == nil || last.key != c.Key || len(last.fields) == maxSumFields {
			full := last == nil || last.key == c.Key || len(chunks[len(chunks)-1]) == chunkSums
			if full {
				chunks = append(chunks, nil)
			}
			last = &totalSum{key: c.Key, amounts: map[string]int64{}}
			chunks[len(chunks)-1] = append(chunks[len(chunks)-1], last)
		}
		last.fields = append(last.fields, c.Field)
		last.amounts[c.Field] = c.Amount
	}
	return chunks
}

// addOnce adds sums to totals and stores the marker, unless the marker is there, since the sums are then
// already in.
func (s *Tables) addOnce(ctx context.Context, t projection.Table, marker item, sums []*totalSum) error {
	name := s.name(t)
	return patiently(ctx, func() error {
		// Any shard is right: only the marker decides whether the totals are in.
		shard := rand.IntN(totalShards)
		items := []types.TransactWriteItem{{Put: &types.Put{
			TableName: &name, Item: marker, ConditionExpression: aws.String("attribute_not_exists(" + attrPK + ")"),
		}}}
		for _, sum := range sums {
			items = append(items, types.TransactWriteItem{Update: sum.update(&name, shard)})
		}
		_, err := s.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: items}, untokened)
		var cancelled *types.TransactionCanceledException
		if err != nil && ctx.Err() == nil && errors.As(err, &cancelled) {
			return s.whyNotAdded(ctx, t, cancelled)
		}
		if err != nil {
			return s.wrap(ctx, t, "adding totals to", err)
		}
		return nil
	})
}

// whyNotAdded returns why a transaction was cancelled; nil if that was because it had been done before.
func (s *Tables) whyNotAdded(ctx context.Context, t projection.Table, cancelled *types.TransactionCanceledException) error {
	busy := false
	for i, reason := range cancelled.CancellationReasons {
		code := aws.ToString(reason.Code)
		if i == 0 && code == reasonCondition {
			return nil
		}
		busy = busy || busyReason(code)
	}
	if busy {
		return fault.Unavailable(fmt.Errorf("adding totals to table %s: other transactions hold them: %w", s.name(t), cancelled))
	}
	return s.wrap(ctx, t, "adding totals to", cancelled)
}
