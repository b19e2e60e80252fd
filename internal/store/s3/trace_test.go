package s3

import (
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// TestEveryCallNamesItsObject fails for a call that is new here and that names does not know.
func TestEveryCallNamesItsObject(t *testing.T) {
	t.Parallel()
	api := reflect.TypeFor[API]()
	for i := range api.NumMethod() {
		input := reflect.New(api.Method(i).Type.In(1).Elem())
		want := 0
		for field, attribute := range map[string]string{"Bucket": "aws.s3.bucket", "Key": "aws.s3.key"} {
			if f := input.Elem().FieldByName(field); f.IsValid() {
				f.Set(reflect.ValueOf(aws.String(attribute)))
				want++
			}
		}
		got := names(input.Interface())
		if len(got) != want || want == 0 {
			t.Errorf("%s: %v", api.Method(i).Name, got)
		}
		for _, a := range got {
			if a.Value.AsString() != string(a.Key) {
				t.Errorf("%s: %v", api.Method(i).Name, got)
			}
		}
	}
}
