package stepfunctions

import (
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// TestEveryCallNamesItsRun fails for a call that is new here and that names does not know.
func TestEveryCallNamesItsRun(t *testing.T) {
	t.Parallel()
	api := reflect.TypeFor[API]()
	for i := range api.NumMethod() {
		input := reflect.New(api.Method(i).Type.In(1).Elem())
		want := 0
		for field, attribute := range map[string]string{"ExecutionArn": "gakushoku.execution", "Name": "gakushoku.execution", "StateMachineArn": "aws.step_functions.state_machine.arn"} {
			if f := input.Elem().FieldByName(field); f.IsValid() {
				f.Set(reflect.ValueOf(aws.String(attribute)))
				want++
			}
		}
		got := names(input.Interface())
		if len(got) != want {
			t.Errorf("%s: %v", api.Method(i).Name, got)
		}
		for _, a := range got {
			if a.Value.AsString() != string(a.Key) {
				t.Errorf("%s: %v", api.Method(i).Name, got)
			}
		}
	}
}
