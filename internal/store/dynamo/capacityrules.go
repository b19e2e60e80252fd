package dynamo

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
)

// PriceByRules is a client option that counts writes by AWS's published rules, from the requests: one unit
// per started KB, as much again for the index if a row enters it, and all of it twice in a transaction.
// DynamoDB Local's reports (ObserveCapacity) do not grow with the items of a transaction, so they do not show
// its cost. Failed calls are not counted here either.
func PriceByRules(observe Observer) func(*dynamodb.Options) {
	counter := middleware.InitializeMiddlewareFunc("PriceByRules", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleInitialize(ctx, in)
		if err == nil {
			price(observe, in.Parameters)
		}
		return out, metadata, err
	})
	return func(o *dynamodb.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error { return stack.Initialize.Add(counter, middleware.Before) })
	}
}

func price(observe Observer, input any) {
	switch in := input.(type) {
	case *dynamodb.PutItemInput:
		observe(*in.TableName, 0, putUnits(in.Item, in.ConditionExpression))
	case *dynamodb.TransactWriteItemsInput:
		for i := range in.TransactItems {
			priceInTransaction(observe, &in.TransactItems[i])
		}
	}
}

func priceInTransaction(observe Observer, it *types.TransactWriteItem) {
	switch {
	case it.Put != nil:
		observe(*it.Put.TableName, 0, 2*putUnits(it.Put.Item, it.Put.ConditionExpression))
	case it.Update != nil:
		observe(*it.Update.TableName, 0, 2) // a total is far smaller than 1 KB
	}
}

func putUnits(it item, condition *string) float64 {
	n := float64((itemSize(it) + 1023) / 1024)
	if it[attrList] != nil && strings.HasPrefix(aws.ToString(condition), "attribute_not_exists") {
		n++
	}
	return n
}
