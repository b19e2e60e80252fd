package dynamo

import (
	"reflect"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.opentelemetry.io/otel/attribute"
)

// TestEveryCallNamesItsTable fails for a call that is new here and that names does not know.
func TestEveryCallNamesItsTable(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, api := range []reflect.Type{
		reflect.TypeFor[EventsAPI](), reflect.TypeFor[TablesAPI](), reflect.TypeFor[ControlAPI](), reflect.TypeFor[LedgerAPI](), reflect.TypeFor[SchemaAPI](),
	} {
		for i := range api.NumMethod() {
			seen[api.Method(i).Name] = true
			input := reflect.New(api.Method(i).Type.In(1).Elem())
			name := reflect.ValueOf(aws.String("lunch"))
			if table := input.Elem().FieldByName("TableName"); table.IsValid() {
				table.Set(name)
			} else if items := input.Elem().FieldByName("RequestItems"); items.IsValid() {
				items.Set(reflect.MakeMap(items.Type()))
				items.SetMapIndex(name.Elem(), reflect.Zero(items.Type().Elem()))
			} else {
				input.Elem().FieldByName("TransactItems").Set(reflect.ValueOf([]types.TransactWriteItem{
					{Put: &types.Put{TableName: aws.String("lunch")}}, {Update: &types.Update{TableName: aws.String("lunch")}},
				}))
			}
			if got := names(input.Interface()); !slices.Contains(got, attribute.StringSlice("aws.dynamodb.table_names", []string{"lunch"})) {
				t.Errorf("%s: %v", api.Method(i).Name, got)
			}
		}
	}
	if len(seen) < 8 || !seen["TransactWriteItems"] || !seen["Query"] {
		t.Errorf("these calls were looked at: %v", seen)
	}
}

func TestACallNamesItsIndex(t *testing.T) {
	t.Parallel()
	if got := names(&dynamodb.QueryInput{IndexName: aws.String("by-day")}); !slices.Contains(got, attribute.String("aws.dynamodb.index_name", "by-day")) {
		t.Errorf("%v", got)
	}
}
