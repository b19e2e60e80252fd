package dynamo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/engine/projection"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/retry"
)

// smallItem is more than the update of a total or a marker adds to a transaction's size.
const smallItem = 4096

// pack distributes changes over as few transactions as their limits allow.
func pack(all []pending) [][]pending {
	var groups [][]pending
	var others map[string]bool // the totals and markers of the last group
	size := 0
	for _, p := range all {
		wanted := othersOf(p)
		added := itemSize(p.item) + smallItem*len(wanted)
		fits := len(groups) > 0 && size+added <= maxTransactionBytes
		if fits {
			count := len(groups[len(groups)-1]) + 1 + len(others)
			for name := range wanted {
				if !others[name] {
					count++
				}
			}
			fits = count <= maxTransactionItems
		}
		if !fits {
			groups, others, size = append(groups, nil), map[string]bool{}, 0
		}
		last := len(groups) - 1
		groups[last] = append(groups[last], p)
		size += added
		for name := range wanted {
			others[name] = true
		}
	}
	return groups
}

// othersOf returns the items besides the row that a change may write.
func othersOf(p pending) map[string]bool {
	names := map[string]bool{}
	if bucket := listedIn(p); bucket != "" {
		names["bucket "+bucket] = true
	}
	for _, c := range p.change.Totals {
		names["total "+c.Key] = true
	}
	return names
}

// writeGroup stores changes and their differences to totals in one transaction. If some come too late, it
// repeats the transaction without them.
func (s *Tables) writeGroup(ctx context.Context, t projection.Table, group []pending) (late []string, err error) {
	// Totals are summed over shards, so any shard is right. The stream determines the first, and after a
	// conflict a random one is tried, so that writers avoid each other.
	shard := eventstore.ShardOf(group[0].change.Stream, totalShards)
	err = retry.Do(ctx, writeRetries, func() (bool, error) {
		for len(group) > 0 {
			cancelled, err := s.tryGroup(ctx, t, group, shard)
			if err != nil || cancelled == nil {
				return false, err
			}
			rest, tooLate, busy, err := s.explain(ctx, t, group, cancelled)
			if err != nil {
				return false, err
			}
			group, late = rest, append(late, tooLate...)
			if busy {
				shard = rand.IntN(totalShards)
				return true, fault.Unavailable(fmt.Errorf("%s table %s: other transactions kept holding the items: %w", writing(group), s.name(t), cancelled))
			}
		}
		return false, nil
	})
	return late, err
}

// tryGroup sends the transaction once. It returns the reason of a cancellation separately from other errors.
func (s *Tables) tryGroup(ctx context.Context, t projection.Table, group []pending, shard int) (*types.TransactionCanceledException, error) {
	in, buckets := s.transaction(t, group, shard)
	_, err := s.client.TransactWriteItems(ctx, in, untokened)
	var cancelled *types.TransactionCanceledException
	if err != nil && ctx.Err() == nil && errors.As(err, &cancelled) {
		return cancelled, nil
	}
	if err != nil {
		return nil, s.wrap(ctx, t, writing(group), err)
	}
	for _, bucket := range buckets {
		s.markers.add(t, bucket)
	}
	return nil, nil
}

// explain determines why a transaction was cancelled: which changes came too late, which are already in the
// table by this write, which to try again, and whether to wait first. It returns an error if none of these is
// the reason.
func (s *Tables) explain(ctx context.Context, t projection.Table, group []pending, cancelled *types.TransactionCanceledException) (rest []pending, late []string, busy bool, err error) {
	if len(cancelled.CancellationReasons) < len(group) {
		return nil, nil, false, s.wrap(ctx, t, writing(group), cancelled)
	}
	for i, reason := range cancelled.CancellationReasons {
		code := aws.ToString(reason.Code)
		busy = busy || busyReason(code)
		switch {
		case i >= len(group):
		case code != reasonCondition:
			rest = append(rest, group[i])
		default:
			own, err := s.isOwn(ctx, t, group[i], reason.Item)
			if err != nil {
				return nil, nil, false, err
			}
			if !own {
				late = append(late, group[i].change.Stream)
			}
		}
	}
	if len(rest) == len(group) && !busy {
		return nil, nil, false, s.wrap(ctx, t, writing(group), cancelled)
	}
	return rest, late, busy, nil
}

// writing describes the write, for errors.
func writing(group []pending) string {
	switch len(group) {
	case 0:
		return "writing to"
	case 1:
		return "writing " + group[0].change.Stream + " to"
	}
	return fmt.Sprintf("writing %s and %d more to", group[0].change.Stream, len(group)-1)
}

// transaction returns the rows of a group, in their order, then the missing markers and the summed
// differences. It also returns the buckets it marks.
func (s *Tables) transaction(t projection.Table, group []pending, shard int) (*dynamodb.TransactWriteItemsInput, []string) {
	name := s.name(t)
	var buckets []string
	items := make([]types.TransactWriteItem, 0, maxTransactionItems)
	marked := map[string]bool{}
	for _, p := range group {
		condition, values := rowCondition(p.change.Expected)
		items = append(items, types.TransactWriteItem{Put: &types.Put{
			TableName:                           &name,
			Item:                                p.item,
			ConditionExpression:                 &condition,
			ExpressionAttributeValues:           values,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		}})
		if bucket := listedIn(p); !marked[bucket] && !s.marked(t, p) {
			marked[bucket] = true
			buckets = append(buckets, bucket)
		}
	}
	for _, bucket := range buckets {
		items = append(items, types.TransactWriteItem{Put: &types.Put{TableName: &name, Item: markerItem(bucket)}})
	}
	for _, sum := range sumTotals(group) {
		items = append(items, types.TransactWriteItem{Update: sum.update(&name, shard)})
	}
	return &dynamodb.TransactWriteItemsInput{TransactItems: items}, buckets
}

// fieldPrefix keeps the fields of totals apart from the keys of their items.
const fieldPrefix = "f:"

// totalSum is what a group adds to one total.
type totalSum struct {
	key     string
	fields  []string
	amounts map[string]int64
}

// sumTotals sums the differences of a group, in the order in which they first occur.
func sumTotals(group []pending) []*totalSum {
	var sums []*totalSum
	byKey := map[string]*totalSum{}
	for _, p := range group {
		for _, c := range p.change.Totals {
			sum := byKey[c.Key]
			if sum == nil {
				sum = &totalSum{key: c.Key, amounts: map[string]int64{}}
				byKey[c.Key] = sum
				sums = append(sums, sum)
			}
			if _, ok := sum.amounts[c.Field]; !ok {
				sum.fields = append(sum.fields, c.Field)
			}
			sum.amounts[c.Field] += c.Amount
		}
	}
	return slices.DeleteFunc(sums, (*totalSum).isNothing)
}

// isNothing drops the fields that add up to 0, and reports whether none is left.
func (s *totalSum) isNothing() bool {
	s.fields = slices.DeleteFunc(s.fields, func(field string) bool { return s.amounts[field] == 0 })
	return len(s.fields) == 0
}

// update adds the sum to one shard of the total.
func (s *totalSum) update(table *string, shard int) *types.Update {
	names, values := map[string]string{}, item{}
	var adds []string
	for i, field := range s.fields {
		name, value := "#f"+strconv.Itoa(i), ":a"+strconv.Itoa(i)
		names[name], values[value] = fieldPrefix+field, num(s.amounts[field])
		adds = append(adds, name+" "+value)
	}
	return &types.Update{
		TableName:                 table,
		Key:                       totalKey(shard, s.key),
		UpdateExpression:          aws.String("ADD " + strings.Join(adds, ", ")),
		ExpressionAttributeNames:  names,
		ExpressionAttributeValues: values,
	}
}
