package dynamo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"gakushoku/internal/engine/subject"
	"gakushoku/internal/event"
)

// SubjectsAPI is the part of the SDK that SubjectKeys uses. *dynamodb.Client implements it.
type SubjectsAPI interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
}

// SubjectKeys implements subject.Keys in a table of its own: pk "subject#<subject>" with the key, or with
// when it was destroyed. The table has no point-in-time recovery, which would keep destroyed keys.
type SubjectKeys struct {
	client SubjectsAPI
	table  string
}

var _ subject.Keys = (*SubjectKeys)(nil)

// NewSubjectKeys returns the keys in a table.
func NewSubjectKeys(client SubjectsAPI, table string) *SubjectKeys {
	return &SubjectKeys{client: client, table: table}
}

const (
	subjectPrefix = "subject#"
	attrKey       = "key"
	attrErased    = "erased"
)

func subjectKey(who string) item {
	return item{attrPK: str(subjectPrefix + who), attrSK: str("subject")}
}

// Key implements subject.Keys.
func (s *SubjectKeys) Key(ctx context.Context, who string) (subject.Key, error) {
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.table, Key: subjectKey(who), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return subject.Key{}, wrap(ctx, s.doing("reading the key of a subject"), err)
	}
	return s.decode(out.Item)
}

// decode returns the key of an item, or says that there is none.
func (s *SubjectKeys) decode(it item) (key subject.Key, err error) {
	if len(it) == 0 {
		return key, subject.ErrNoKey
	}
	if _, erased := it[attrErased]; erased {
		return key, subject.ErrErased
	}
	raw, ok := it[attrKey].(*types.AttributeValueMemberB)
	if !ok || len(raw.Value) != subject.KeyBytes {
		return key, errors.New(s.doing("decoding the key of a subject") + ": it is damaged")
	}
	copy(key[:], raw.Value)
	return key, nil
}

// put puts an item if a condition holds; otherwise it returns the item that is there.
func (s *SubjectKeys) put(ctx context.Context, doing string, it item, condition string) (there item, err error) {
	_, err = s.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &s.table, Item: it, ConditionExpression: &condition,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) || ctx.Err() != nil {
		return nil, wrap(ctx, s.doing(doing), err)
	}
	if len(failed.Item) > 0 {
		return failed.Item, nil
	}
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.table, Key: item{attrPK: it[attrPK], attrSK: it[attrSK]}, ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, wrap(ctx, s.doing(doing), err)
	}
	return out.Item, nil
}

// Add implements subject.Keys.
func (s *SubjectKeys) Add(ctx context.Context, who string, key subject.Key) (subject.Key, error) {
	it := subjectKey(who)
	it[attrKey] = &types.AttributeValueMemberB{Value: key[:]}
	there, err := s.put(ctx, "adding the key of a subject", it, "attribute_not_exists("+attrPK+")")
	if err != nil {
		return subject.Key{}, err
	}
	if there != nil {
		return s.decode(there)
	}
	return key, nil
}

// Erase implements subject.Keys.
func (s *SubjectKeys) Erase(ctx context.Context, who string, at event.Instant) (subject.Tombstone, bool, error) {
	it := subjectKey(who)
	it[attrErased] = str(at.String())
	there, err := s.put(ctx, "destroying the key of a subject", it, "attribute_not_exists("+attrErased+")")
	if err != nil {
		return subject.Tombstone{}, false, err
	}
	if there == nil {
		return subject.Tombstone{Subject: who, At: at}, true, nil
	}
	left, err := s.tombstone(there)
	return left, err == nil && left.At == at, err // the SDK may have repeated this very call
}

func (s *SubjectKeys) tombstone(it item) (subject.Tombstone, error) {
	at, err := event.ParseInstant(text(it, attrErased))
	if err != nil {
		return subject.Tombstone{}, fmt.Errorf("%s: %w", s.doing("decoding the tombstone of a subject"), err)
	}
	return subject.Tombstone{Subject: strings.TrimPrefix(text(it, attrPK), subjectPrefix), At: at}, nil
}

// Erased implements subject.Keys. It reads the whole table.
func (s *SubjectKeys) Erased(ctx context.Context) ([]subject.Tombstone, error) {
	var all []subject.Tombstone
	in := &dynamodb.ScanInput{
		TableName: &s.table, FilterExpression: aws.String("attribute_exists(" + attrErased + ")"), ConsistentRead: aws.Bool(true),
	}
	for {
		out, err := s.client.Scan(ctx, in)
		if err != nil {
			return nil, wrap(ctx, s.doing("reading which subjects were erased"), err)
		}
		for _, it := range out.Items {
			t, err := s.tombstone(it)
			if err != nil {
				return nil, err
			}
			all = append(all, t)
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			break
		}
	}
	slices.SortFunc(all, func(a, b subject.Tombstone) int { return strings.Compare(a.Subject, b.Subject) })
	return all, nil
}

func (s *SubjectKeys) doing(what string) string { return what + " in table " + s.table }
