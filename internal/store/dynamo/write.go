package dynamo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/retry"
)

// writeRetries is how a write waits that conflicts with other transactions on the same items.
var writeRetries = retry.Policy{Tries: 12, First: 10 * time.Millisecond, Longest: 400 * time.Millisecond, Jitter: 1}

// pending is one change on its way into the table.
type pending struct {
	change *projection.Change
	item   item
}

// Write implements projection.Tables. A change that does not affect totals is one conditional put; the others
// share transactions with their summed differences.
func (s *Tables) Write(ctx context.Context, t projection.Table, changes []projection.Change) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	all, err := prepare(changes)
	if err != nil {
		return nil, fmt.Errorf("writing to table %s: %w", s.name(t), err)
	}
	var late lateStreams
	plain, grouped := s.sortOut(t, all)
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, g := range pack(grouped) {
		group.Go(func() error {
			streams, err := s.writeGroup(groupCtx, t, g)
			late.add(streams...)
			return err
		})
	}
	for _, p := range plain {
		group.Go(func() error {
			isLate, err := s.writeRow(groupCtx, t, p)
			if isLate {
				late.add(p.change.Stream)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return late.streams, nil
}

// lateStreams collects the streams of changes that came too late.
type lateStreams struct {
	mu      sync.Mutex
	streams []string
}

func (l *lateStreams) add(streams ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams = append(l.streams, streams...)
}

// prepare makes the items of changes. They share the id of this write, by which a call that the SDK repeated
// recognizes its own rows.
func prepare(changes []projection.Change) ([]pending, error) {
	if len(changes) > projection.MaxWrite {
		return nil, fmt.Errorf("%d changes at once, at most %d are taken", len(changes), projection.MaxWrite)
	}
	writeID := rand.Text()[:16]
	all := make([]pending, len(changes))
	seen := make(map[string]bool, len(changes))
	for i := range changes {
		c := &changes[i]
		if seen[c.Stream] {
			return nil, fmt.Errorf("two changes of %s at once", c.Stream)
		}
		seen[c.Stream] = true
		it, err := rowItem(&c.Record, c.Expected+1, writeID)
		if err != nil {
			return nil, err
		}
		all[i] = pending{c, it}
	}
	return all, nil
}

// sortOut separates changes that are one put from those that need a transaction, for totals or for the marker
// of a bucket that is not known to be stored.
func (s *Tables) sortOut(t projection.Table, all []pending) (plain, grouped []pending) {
	for _, p := range all {
		if len(p.change.Totals) == 0 && s.marked(t, p) {
			plain = append(plain, p)
		} else {
			grouped = append(grouped, p)
		}
	}
	return plain, grouped
}

// marked reports whether the row needs no marker for its bucket, or no longer needs one.
func (s *Tables) marked(t projection.Table, p pending) bool {
	bucket := listedIn(p)
	return bucket == "" || s.markers.has(t, bucket)
}

// listedIn returns the bucket that lists the row, "" if none does.
func listedIn(p pending) string {
	if !p.change.Visible() {
		return ""
	}
	return p.change.Place.Bucket
}

// writeRow stores one row that does not affect totals.
func (s *Tables) writeRow(ctx context.Context, t projection.Table, p pending) (late bool, err error) {
	name := s.name(t)
	condition, values := rowCondition(p.change.Expected)
	err = retry.Do(ctx, writeRetries, func() (bool, error) {
		_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{
			TableName:                           &name,
			Item:                                p.item,
			ConditionExpression:                 &condition,
			ExpressionAttributeValues:           values,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		})
		var failed *types.ConditionalCheckFailedException
		var conflict *types.TransactionConflictException
		switch {
		case err == nil:
			return false, nil
		case errors.As(err, &failed):
			own, err := s.isOwn(ctx, t, p, failed.Item)
			late = err == nil && !own
			return false, err
		case errors.As(err, &conflict):
			return true, fault.Unavailable(fmt.Errorf("writing %s to table %s: other transactions kept holding the row: %w", p.change.Stream, name, err))
		}
		return false, s.wrap(ctx, t, "writing "+p.change.Stream+" to", err)
	})
	return late, err
}

// isOwn reports whether the row that made a condition fail is the one to be written, because the SDK repeated
// a call whose response was lost. If the store did not return the row, it reads it.
func (s *Tables) isOwn(ctx context.Context, t projection.Table, p pending, found item) (bool, error) {
	if len(found) == 0 {
		var err error
		if found, err = s.get(ctx, t, rowKey(p.change.Stream)); err != nil {
			return false, err
		}
	}
	return text(found, attrWriteID) == text(p.item, attrWriteID), nil
}
