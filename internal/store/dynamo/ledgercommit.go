package dynamo

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"gakushoku/internal/engine/eventlog"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/retry"
)

// ledgerWrite is one item of a transaction, and the error to return if its condition fails; nil: the
// condition must not fail.
type ledgerWrite struct {
	item   types.TransactWriteItem
	failed error
}

// transact writes all or nothing. If another transaction holds an item, it tries again, and then sees that
// transaction's outcome.
func (s *Ledger) transact(ctx context.Context, doing string, sent *attempts, writes []ledgerWrite) error {
	in := &dynamodb.TransactWriteItemsInput{}
	for _, w := range writes {
		in.TransactItems = append(in.TransactItems, w.item)
	}
	return retry.Do(ctx, commitRetries, func() (bool, error) {
		_, err := s.client.TransactWriteItems(ctx, in, sent.count, untokened)
		var cancelled *types.TransactionCanceledException
		if err == nil || ctx.Err() != nil || !errors.As(err, &cancelled) {
			return false, wrap(ctx, doing, err)
		}
		failed, busy := whyCancelled(cancelled, writes)
		switch {
		case failed != nil:
			return false, fmt.Errorf("%s: %w", doing, failed)
		case busy:
			return true, fault.Unavailable(wrap(ctx, doing, err))
		}
		return false, wrap(ctx, doing, err)
	})
}

// whyCancelled returns what the first write that has a reason says: the error for its failed condition, or
// that the reason was temporary. It ignores the reasons of later writes, which would be judged again.
func whyCancelled(cancelled *types.TransactionCanceledException, writes []ledgerWrite) (failed error, busy bool) {
	for i, reason := range cancelled.CancellationReasons {
		switch code := aws.ToString(reason.Code); {
		case busyReason(code):
			return nil, true
		case code == reasonCondition && i < len(writes):
			return writes[i].failed, false
		}
	}
	return nil, false
}

// moveHead moves the head from number before to the end of a manifest.
func (s *Ledger) moveHead(before uint64, to *eventlog.Manifest, segments int) types.TransactWriteItem {
	update := &types.Update{
		TableName:           &s.table,
		Key:                 headKey(),
		UpdateExpression:    aws.String("SET #number = :last, #committed = :committed, #chain = :chain, #chained = :chained ADD #segments :segments"),
		ConditionExpression: aws.String("#number = :before"),
		ExpressionAttributeNames: map[string]string{
			"#number": attrNumber, "#committed": attrCommitted, "#segments": attrSegments, "#chain": attrChain, "#chained": attrChained,
		},
		ExpressionAttributeValues: item{
			":last": num(to.Last), ":committed": str(to.CreatedAt.String()), ":segments": num(segments), ":before": num(before),
			":chain": str(to.Chained()), ":chained": num(to.Last),
		},
	}
	if to.Previous == "" { // from before the chain
		update.ExpressionAttributeValues[":chained"] = num(0)
	}
	if before == 0 {
		update.ConditionExpression = aws.String("attribute_not_exists(#number)")
		delete(update.ExpressionAttributeValues, ":before")
	}
	return types.TransactWriteItem{Update: update}
}

// extendHead is moveHead for a new segment, which has to follow on the chain that the head has.
func (s *Ledger) extendHead(m *eventlog.Manifest) types.TransactWriteItem {
	write := s.moveHead(m.First-1, m, 1)
	if m.First > 1 {
		condition := *write.Update.ConditionExpression + " AND (attribute_not_exists(#chained) OR #chained <> :before OR #chain = :previous)"
		write.Update.ConditionExpression = &condition
		write.Update.ExpressionAttributeValues[":previous"] = str(m.Previous)
	}
	return write
}

func (s *Ledger) putClaim(c eventlog.Commit) types.TransactWriteItem {
	it := claimKey(c.Source)
	it[attrRecords], it[attrNumber] = num(c.Records), num(c.Manifest.First)
	it[attrExpires] = num(c.Manifest.CreatedAt.Time().Add(eventlog.ClaimsKept + claimMargin).Unix())
	return s.putNew(it)
}

func (s *Ledger) putManifest(m *eventlog.Manifest) (types.TransactWriteItem, error) {
	it := manifestKey(m.Last)
	if err := setValue(it, m); err != nil {
		return types.TransactWriteItem{}, err
	}
	return s.putNew(it), nil
}

// putNew puts an item where there must be none.
func (s *Ledger) putNew(it item) types.TransactWriteItem {
	return types.TransactWriteItem{Put: &types.Put{
		TableName: &s.table, Item: it, ConditionExpression: aws.String("attribute_not_exists(" + attrPK + ")"),
	}}
}
