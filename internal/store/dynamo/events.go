package dynamo

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/fault/retry"
	"gakushoku/internal/store/dynamo/eventitem"
)

// EventsAPI is the part of the SDK that Events uses. *dynamodb.Client implements it.
type EventsAPI interface {
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
}

// Events is eventstore.Store on an event table.
type Events struct {
	client EventsAPI
	table  string
}

var _ eventstore.Store = (*Events)(nil)

// NewEvents returns the event store in a table made by CreateEventTable or the template.
func NewEvents(client EventsAPI, table string) *Events {
	return &Events{client: client, table: table}
}

// appendRetries is how an append waits for another transaction that holds the same item.
var appendRetries = retry.Policy{Tries: 8, First: 10 * time.Millisecond, Longest: 200 * time.Millisecond, Jitter: 1}

// Append implements eventstore.Appender. It does not check that the versions up to expected exist: expected
// is what the caller has loaded, and events are never removed.
func (s *Events) Append(ctx context.Context, stream string, expected uint64, events []event.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	stored, items, err := s.encode(stream, expected, events)
	if err != nil {
		return err
	}
	if err := s.put(ctx, items); err != nil {
		return err
	}
	copy(events, stored)
	return nil
}

// encode assigns the events their stream and versions, and returns them with their items. It fails if the
// store cannot take them.
func (s *Events) encode(stream string, expected uint64, events []event.Event) ([]event.Event, []item, error) {
	if len(events) == 0 || len(events) > eventstore.MaxAppend {
		return nil, nil, fmt.Errorf("appending %d events to %s: 1 to %d go into one append", len(events), stream, eventstore.MaxAppend)
	}
	if stream == "" || expected > event.MaxVersion-uint64(len(events)) {
		return nil, nil, fmt.Errorf("appending to stream %q after version %d: there is no such place", stream, expected)
	}
	if len(stream) > maxPartitionKey {
		return nil, nil, fmt.Errorf("%w: its stream's name has %d bytes, %d is the limit", eventstore.ErrTooLarge, len(stream), maxPartitionKey)
	}
	stored := make([]event.Event, len(events))
	items := make([]item, len(events))
	total := 0
	for i := range events {
		stored[i] = events[i]
		stored[i].Stream, stored[i].Version = stream, expected+uint64(i)+1
		var err error
		if items[i], err = eventItem(&stored[i]); err != nil {
			return nil, nil, err
		}
		total += itemSize(items[i])
	}
	if total > maxTransactionBytes {
		return nil, nil, fmt.Errorf("%w: %d events of %s have %d bytes together, %d is the limit", eventstore.ErrTooLarge, len(events), stream, total, maxTransactionBytes)
	}
	return stored, items, nil
}

// eventItem returns the item of an event. It refuses strings that are not UTF-8: the SDK would silently
// repair them, so the stored event would differ from the appended one.
func eventItem(e *event.Event) (item, error) {
	if e.ID == "" || e.Type == "" {
		return nil, fmt.Errorf("version %d of %q has no eventId or no type", e.Version, e.Stream)
	}
	attributes := eventitem.Encode(e)
	it := make(item, len(attributes))
	for _, a := range attributes {
		switch {
		case a.Number:
			it[a.Name] = &types.AttributeValueMemberN{Value: a.Value}
		case !utf8.ValidString(a.Value):
			return nil, fmt.Errorf("version %d of %q: %s is not valid UTF-8", e.Version, e.Stream, a.Name)
		default:
			it[a.Name] = str(a.Value)
		}
	}
	if size := itemSize(it); size > maxItemBytes {
		return nil, fmt.Errorf("%w: version %d of %s has %d bytes, %d is the limit", eventstore.ErrTooLarge, e.Version, e.Stream, size, maxItemBytes)
	}
	return it, nil
}

// put stores the items, all or none. If another transaction holds one of them, it tries again, since that
// transaction may yet fail.
func (s *Events) put(ctx context.Context, items []item) error {
	var sent attempts
	return retry.Do(ctx, appendRetries, func() (busy bool, err error) {
		if len(items) == 1 {
			return s.putOne(ctx, items[0], &sent)
		}
		return s.putAll(ctx, items, &sent)
	})
}

const freeVersion = "attribute_not_exists(#stream)"

func freeVersionNames() map[string]string { return map[string]string{"#stream": eventitem.Stream} }

func (s *Events) putOne(ctx context.Context, it item, sent *attempts) (busy bool, err error) {
	_, err = s.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                           &s.table,
		Item:                                it,
		ConditionExpression:                 aws.String(freeVersion),
		ExpressionAttributeNames:            freeVersionNames(),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}, sent.count)
	var taken *types.ConditionalCheckFailedException
	var conflict *types.TransactionConflictException
	switch {
	case err == nil:
		return false, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	case errors.As(err, &taken):
		return false, s.takenBy(ctx, it, taken.Item, sent)
	case errors.As(err, &conflict):
		return true, fault.Unavailable(wrap(ctx, s.appending(it), err))
	}
	return false, s.refused(ctx, it, err)
}

func (s *Events) putAll(ctx context.Context, items []item, sent *attempts) (busy bool, err error) {
	puts := make([]types.TransactWriteItem, len(items))
	for i, it := range items {
		puts[i].Put = &types.Put{
			TableName:                           &s.table,
			Item:                                it,
			ConditionExpression:                 aws.String(freeVersion),
			ExpressionAttributeNames:            freeVersionNames(),
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		}
	}
	_, err = s.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: puts}, sent.count, untokened)
	var cancelled *types.TransactionCanceledException
	switch {
	case err == nil:
		return false, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	case !errors.As(err, &cancelled):
		return false, s.refused(ctx, items[0], err)
	}
	for i, reason := range cancelled.CancellationReasons {
		switch code := aws.ToString(reason.Code); {
		case code == reasonCondition && i < len(items):
			return false, s.takenBy(ctx, items[i], reason.Item, sent)
		case code == reasonValidation && sizeText(aws.ToString(reason.Message)):
			return false, fmt.Errorf("%w: %s", eventstore.ErrTooLarge, aws.ToString(reason.Message))
		case busyReason(code):
			busy = true
		}
	}
	err = wrap(ctx, s.appending(items[0]), err)
	if busy {
		err = fault.Unavailable(err)
	}
	return busy, err
}

// takenBy decides whose event has the version. A repeated call may find its own events, if the first attempt
// succeeded and only its response was lost. Appends are all or none, so one event of ours means that all are
// there.
func (s *Events) takenBy(ctx context.Context, ours, theirs item, sent *attempts) error {
	if sent.Repeated() {
		if len(theirs) == 0 {
			var err error
			if theirs, err = s.itemAt(ctx, ours); err != nil {
				return err
			}
		}
		if text(theirs, eventitem.EventID) == text(ours, eventitem.EventID) {
			return nil
		}
	}
	return fmt.Errorf("version %s of %s is taken: %w", text(ours, eventitem.Version), text(ours, eventitem.Stream), eventstore.ErrConflict)
}

// refused returns the error of an append that failed for another reason than its condition.
func (s *Events) refused(ctx context.Context, it item, err error) error {
	if tooLarge(err) {
		return fmt.Errorf("%w: %w", eventstore.ErrTooLarge, err)
	}
	return wrap(ctx, s.appending(it), err)
}

func (s *Events) appending(it item) string {
	return fmt.Sprintf("appending version %s to %s in table %s", text(it, eventitem.Version), text(it, eventitem.Stream), s.table)
}
