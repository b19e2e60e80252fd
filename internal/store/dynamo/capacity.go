package dynamo

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
)

// Observer is called with what a successful call consumed, in the units that AWS charges, indexes included.
// It is called from many goroutines.
type Observer func(table string, readUnits, writeUnits float64)

// ObserveCapacity is a client option that counts calls: it requests the consumed capacity of each call and
// passes it to the observer. It does not count failed calls, although AWS also charges failed conditions.
func ObserveCapacity(observe Observer) func(*dynamodb.Options) {
	observer := middleware.InitializeMiddlewareFunc("ObserveCapacity", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		askCapacity(in.Parameters)
		out, metadata, err := next.HandleInitialize(ctx, in)
		if err == nil {
			reportCapacity(observe, out.Result)
		}
		return out, metadata, err
	})
	return func(o *dynamodb.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(observer, middleware.Before)
		})
	}
}

func askCapacity(input any) {
	const total = types.ReturnConsumedCapacityTotal
	switch in := input.(type) {
	case *dynamodb.PutItemInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.TransactWriteItemsInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.GetItemInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.BatchGetItemInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.QueryInput:
		in.ReturnConsumedCapacity = total
	case *dynamodb.ScanInput:
		in.ReturnConsumedCapacity = total
	}
}

func reportCapacity(observe Observer, output any) {
	switch out := output.(type) {
	case *dynamodb.PutItemOutput:
		written(observe, out.ConsumedCapacity)
	case *dynamodb.TransactWriteItemsOutput:
		for i := range out.ConsumedCapacity {
			written(observe, &out.ConsumedCapacity[i])
		}
	case *dynamodb.GetItemOutput:
		read(observe, out.ConsumedCapacity)
	case *dynamodb.BatchGetItemOutput:
		for i := range out.ConsumedCapacity {
			read(observe, &out.ConsumedCapacity[i])
		}
	case *dynamodb.QueryOutput:
		read(observe, out.ConsumedCapacity)
	case *dynamodb.ScanOutput:
		read(observe, out.ConsumedCapacity)
	}
}

func written(observe Observer, c *types.ConsumedCapacity) {
	if c != nil {
		observe(aws.ToString(c.TableName), 0, aws.ToFloat64(c.CapacityUnits))
	}
}

func read(observe Observer, c *types.ConsumedCapacity) {
	if c != nil {
		observe(aws.ToString(c.TableName), aws.ToFloat64(c.CapacityUnits), 0)
	}
}
