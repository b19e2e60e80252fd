package dynamo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"gakushoku/internal/engine/projection"
)

// ControlAPI is the part of the SDK that Control uses. *dynamodb.Client implements it.
type ControlAPI interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
}

// Control stores pointers, checkpoints, credentials and snapshots of streams, each as one item.
type Control struct {
	client ControlAPI
	table  string
}

var (
	_ projection.Pointers    = (*Control)(nil)
	_ projection.Checkpoints = (*Control)(nil)
)

// NewControl returns the control store in a table made by CreateControlTable or the template.
func NewControl(client ControlAPI, table string) *Control {
	return &Control{client: client, table: table}
}

// The attributes of a control item: its value as JSON, and for what changes on condition the number of changes.
const (
	attrValue   = "value"
	attrChanges = "changes"
)

func pointerKey(name string) item {
	return item{attrPK: str("pointer#" + name), attrSK: str("pointer")}
}

func checkpointKey(reader string) item {
	return item{attrPK: str("checkpoint#" + reader), attrSK: str("checkpoint")}
}

// Pointer implements projection.Pointers.
func (s *Control) Pointer(ctx context.Context, name string) (projection.Pointer, error) {
	var p projection.Pointer
	found, err := s.read(ctx, pointerKey(name), &p)
	if err == nil && !found {
		err = fmt.Errorf("%s: %w", name, projection.ErrNoPointer)
	}
	return p, err
}

// SetPointer implements projection.Pointers.
func (s *Control) SetPointer(ctx context.Context, p projection.Pointer) error {
	expected := p.Changes
	p.Changes++
	it := pointerKey(p.Projection)
	if err := setValue(it, p); err != nil {
		return err
	}
	return s.putChanged(ctx, it, expected, projection.ErrPointerChanged)
}

// putChanged writes an item on condition that it has been changed that often, 0 for an item that must not be
// there yet. If the condition does not hold, the error is refusal.
func (s *Control) putChanged(ctx context.Context, it item, expected uint64, refusal error) error {
	it[attrChanges], it[attrWriteID] = num(expected+1), str(rand.Text()[:16])
	in := &dynamodb.PutItemInput{
		TableName:                           &s.table,
		Item:                                it,
		ConditionExpression:                 aws.String("attribute_not_exists(" + attrPK + ")"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	if expected > 0 {
		in.ConditionExpression = aws.String("#changes = :expected")
		in.ExpressionAttributeNames = map[string]string{"#changes": attrChanges}
		in.ExpressionAttributeValues = item{":expected": num(expected)}
	}
	_, err := s.client.PutItem(ctx, in)
	var failed *types.ConditionalCheckFailedException
	if errors.As(err, &failed) && ctx.Err() == nil {
		return s.changedBy(ctx, it, failed.Item, refusal)
	}
	return wrap(ctx, s.doing("writing", it), err)
}

// changedBy decides whether the item that made a condition fail is the one to be written, because the SDK
// repeated a call whose response was lost. If it is not, the error is refusal.
func (s *Control) changedBy(ctx context.Context, ours, theirs item, refusal error) error {
	if len(theirs) == 0 {
		var err error
		if theirs, err = s.get(ctx, item{attrPK: ours[attrPK], attrSK: ours[attrSK]}); err != nil {
			return err
		}
	}
	if text(theirs, attrWriteID) == text(ours, attrWriteID) {
		return nil
	}
	return fmt.Errorf("%s: %w", text(ours, attrPK), refusal)
}

// Checkpoint implements projection.Checkpoints.
func (s *Control) Checkpoint(ctx context.Context, reader string) (projection.Checkpoint, error) {
	var c projection.Checkpoint
	_, err := s.read(ctx, checkpointKey(reader), &c)
	return c, err
}

// SetCheckpoint implements projection.Checkpoints.
func (s *Control) SetCheckpoint(ctx context.Context, reader string, c projection.Checkpoint) error {
	it := checkpointKey(reader)
	if err := setValue(it, c); err != nil {
		return err
	}
	_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.table, Item: it})
	return wrap(ctx, s.doing("writing", it), err)
}

func setValue(it item, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", text(it, attrPK), err)
	}
	it[attrValue] = str(string(raw))
	return nil
}

// read decodes the value of an item; false if there is none.
func (s *Control) read(ctx context.Context, key item, into any) (bool, error) {
	it, err := s.get(ctx, key)
	if err != nil || len(it) == 0 {
		return false, err
	}
	if err := json.Unmarshal([]byte(text(it, attrValue)), into); err != nil {
		return false, fmt.Errorf("%s: %w", s.doing("decoding", key), err)
	}
	return true, nil
}

func (s *Control) get(ctx context.Context, key item) (item, error) {
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.table, Key: key, ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, wrap(ctx, s.doing("reading", key), err)
	}
	return out.Item, nil
}

func (s *Control) doing(what string, key item) string {
	return what + " " + text(key, attrPK) + " in table " + s.table
}
