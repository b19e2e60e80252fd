package dynamo

import (
	"errors"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.opentelemetry.io/otel/attribute"

	"gakushoku/internal/store/awstrace"
)

// Traced records a client's calls as spans.
func Traced(o *dynamodb.Options) {
	o.APIOptions = append(o.APIOptions, awstrace.Service{Names: names, Reasons: reasons}.Record)
}

// names returns the tables of a call, and its index.
func names(input any) []attribute.KeyValue {
	var tables []string
	var index *string
	switch in := input.(type) {
	case *dynamodb.GetItemInput:
		tables = name(in.TableName)
	case *dynamodb.PutItemInput:
		tables = name(in.TableName)
	case *dynamodb.DeleteItemInput:
		tables = name(in.TableName)
	case *dynamodb.UpdateItemInput:
		tables = name(in.TableName)
	case *dynamodb.QueryInput:
		tables, index = name(in.TableName), in.IndexName
	case *dynamodb.ScanInput:
		tables, index = name(in.TableName), in.IndexName
	case *dynamodb.BatchGetItemInput:
		tables = slices.Sorted(maps.Keys(in.RequestItems))
	case *dynamodb.TransactWriteItemsInput:
		for i := range in.TransactItems {
			tables = append(tables, tableOf(&in.TransactItems[i])...)
		}
		slices.Sort(tables)
		tables = slices.Compact(tables)
	case *dynamodb.CreateTableInput:
		tables = name(in.TableName)
	case *dynamodb.DeleteTableInput:
		tables = name(in.TableName)
	case *dynamodb.DescribeTableInput:
		tables = name(in.TableName)
	}
	noted := []attribute.KeyValue{attribute.String("db.system.name", "aws.dynamodb")}
	if len(tables) > 0 {
		noted = append(noted, attribute.StringSlice("aws.dynamodb.table_names", tables))
	}
	if index != nil {
		noted = append(noted, attribute.String("aws.dynamodb.index_name", *index))
	}
	return noted
}

func name(table *string) []string {
	if table == nil {
		return nil
	}
	return []string{*table}
}

func tableOf(write *types.TransactWriteItem) []string {
	switch {
	case write.Put != nil:
		return name(write.Put.TableName)
	case write.Update != nil:
		return name(write.Update.TableName)
	}
	return nil
}

// reasons returns the distinct codes for which a transaction was cancelled.
func reasons(err error) []string {
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		return nil
	}
	var codes []string
	for i := range cancelled.CancellationReasons {
		if code := aws.ToString(cancelled.CancellationReasons[i].Code); code != "" && code != "None" {
			codes = append(codes, code)
		}
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}
