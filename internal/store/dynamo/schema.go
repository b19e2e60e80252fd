package dynamo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"gakushoku/internal/fault"
	"gakushoku/internal/fault/retry"
	"gakushoku/internal/store/dynamo/eventitem"
)

// SchemaAPI is the part of the SDK that creates and drops tables. *dynamodb.Client implements it.
type SchemaAPI interface {
	CreateTable(context.Context, *dynamodb.CreateTableInput, ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput, error)
	DeleteTable(context.Context, *dynamodb.DeleteTableInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteTableOutput, error)
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
}

// schemaLooks is how long creating or dropping a table may take, and how often its status is polled.
var schemaLooks = retry.Policy{Within: 2 * time.Minute, First: 20 * time.Millisecond, Longest: 2 * time.Second, Jitter: 1}

// The keys of all tables except the event table.
const (
	attrPK = "pk"
	attrSK = "sk"
)

// CreateEventTable creates an event table with its stream, as the template does on AWS, and waits until it
// can be used. It does nothing if the table exists.
func CreateEventTable(ctx context.Context, client SchemaAPI, table string) error {
	return createTable(ctx, client, &dynamodb.CreateTableInput{
		TableName:            &table,
		BillingMode:          types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{stringAttribute(eventitem.Stream), {AttributeName: aws.String(eventitem.Version), AttributeType: types.ScalarAttributeTypeN}},
		KeySchema:            keys(eventitem.Stream, eventitem.Version),
		StreamSpecification:  &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewImage},
	})
}

// ControlSchemaAPI is the part of the SDK that creates a control table. *dynamodb.Client implements it.
type ControlSchemaAPI interface {
	SchemaAPI
	DescribeTimeToLive(context.Context, *dynamodb.DescribeTimeToLiveInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTimeToLiveOutput, error)
	UpdateTimeToLive(context.Context, *dynamodb.UpdateTimeToLiveInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateTimeToLiveOutput, error)
}

// CreateControlTable creates the table of pointers, checkpoints and the log's records, as the template does
// on AWS, and waits until it can be used. It does nothing if the table exists.
func CreateControlTable(ctx context.Context, client ControlSchemaAPI, table string) error {
	err := createTable(ctx, client, &dynamodb.CreateTableInput{
		TableName:            &table,
		BillingMode:          types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{stringAttribute(attrPK), stringAttribute(attrSK)},
		KeySchema:            keys(attrPK, attrSK),
	})
	if err != nil {
		return err
	}
	return expire(ctx, client, table)
}

// expire makes the store drop items that have expired. The store refuses to be told so twice.
func expire(ctx context.Context, client ControlSchemaAPI, table string) error {
	doing := "setting the time to live of table " + table
	now, err := client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &table})
	if err != nil {
		return wrap(ctx, doing, err)
	}
	if d := now.TimeToLiveDescription; d != nil && (d.TimeToLiveStatus == types.TimeToLiveStatusEnabled || d.TimeToLiveStatus == types.TimeToLiveStatusEnabling) {
		return nil
	}
	_, err = client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName:               &table,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String(attrExpires), Enabled: aws.Bool(true)},
	})
	return wrap(ctx, doing, err)
}

func stringAttribute(name string) types.AttributeDefinition {
	return types.AttributeDefinition{AttributeName: &name, AttributeType: types.ScalarAttributeTypeS}
}

func keys(partition, sort string) []types.KeySchemaElement {
	return []types.KeySchemaElement{
		{AttributeName: &partition, KeyType: types.KeyTypeHash},
		{AttributeName: &sort, KeyType: types.KeyTypeRange},
	}
}

func tags(all map[string]string) []types.Tag {
	var list []types.Tag
	for key, value := range all {
		list = append(list, types.Tag{Key: &key, Value: &value})
	}
	slices.SortFunc(list, func(a, b types.Tag) int {
		if *a.Key < *b.Key {
			return -1
		}
		return 1
	})
	return list
}

// createTable creates a table and waits until it and its indexes can be used. If the table is being dropped,
// it waits for that first.
func createTable(ctx context.Context, client SchemaAPI, in *dynamodb.CreateTableInput) error {
	name := aws.ToString(in.TableName)
	return lookUntil(ctx, "creating table "+name, func(ctx context.Context) (bool, error) {
		status, err := tableStatus(ctx, client, name)
		if err != nil || status == types.TableStatusActive {
			return status == types.TableStatusActive, err
		}
		if status != "" {
			return false, nil
		}
		_, err = client.CreateTable(ctx, in)
		return false, unlessInUse(err)
	})
}

// dropTable drops a table and waits until it is gone.
func dropTable(ctx context.Context, client SchemaAPI, name string) error {
	return lookUntil(ctx, "dropping table "+name, func(ctx context.Context) (bool, error) {
		status, err := tableStatus(ctx, client, name)
		if err != nil || status == "" {
			return status == "", err
		}
		if status == types.TableStatusDeleting {
			return false, nil
		}
		_, err = client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &name})
		if missing(err) {
			return true, nil
		}
		return false, unlessInUse(err)
	})
}

// unlessInUse ignores errors that only say that another process is creating or dropping the table, or that
// many tables are being created: the next poll shows the outcome.
func unlessInUse(err error) error {
	var inUse *types.ResourceInUseException
	var limit *types.LimitExceededException
	if errors.As(err, &inUse) || errors.As(err, &limit) {
		return nil
	}
	return err
}

// tableStatus returns a table's status; "" if there is no such table.
func tableStatus(ctx context.Context, client SchemaAPI, name string) (types.TableStatus, error) {
	out, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
	if missing(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if out.Table == nil {
		return "", errNotDescribed
	}
	return out.Table.TableStatus, nil
}

// errNotDescribed is the error for an empty description, which the service never sends.
var errNotDescribed = fault.Unavailable(errors.New("the response describes nothing"))

// lookUntil repeats look until it returns true.
func lookUntil(ctx context.Context, doing string, look func(context.Context) (bool, error)) error {
	return retry.Do(ctx, schemaLooks, func() (bool, error) {
		done, err := look(ctx)
		if done || err != nil {
			return false, wrap(ctx, doing, err)
		}
		return true, fault.Unavailable(fmt.Errorf("%s: it was not done within %s", doing, schemaLooks.Within))
	})
}
