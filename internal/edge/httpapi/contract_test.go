package httpapi

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/query"
	"gakushoku/internal/event"
)

func TestContractIsAValidDocument(t *testing.T) {
	t.Parallel()
	c, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.document.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestContractAndRoutesAreTheSame(t *testing.T) {
	t.Parallel()
	c, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	var documented, served []string
	for path, item := range c.document.Paths.Map() {
		for method := range item.Operations() {
			documented = append(documented, method+" "+path)
		}
	}
	for _, r := range (&server{}).routes() {
		served = append(served, r.method+" "+r.path)
	}
	slices.Sort(documented)
	slices.Sort(served)
	if diff := cmp.Diff(documented, served); diff != "" {
		t.Error("documented (-) and served (+) differ:\n" + diff)
	}
}

func TestContractKnowsWhatTheCodeKnows(t *testing.T) {
	t.Parallel()
	c, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	enum := func(name string) []string {
		var values []string
		for _, v := range c.document.Components.Schemas[name].Value.Enum {
			values = append(values, v.(string))
		}
		return values
	}
	if diff := cmp.Diff(readmodel.Statuses, enum("Status")); diff != "" {
		t.Error("statuses:\n" + diff)
	}
	methods := []string{string(event.MethodCard), string(event.MethodCash), string(event.MethodUnknown)}
	if diff := cmp.Diff(methods, enum("PaymentMethod")); diff != "" {
		t.Error("payment methods:\n" + diff)
	}
	limit := c.document.Paths.Value("/orders").Get.Parameters.GetByInAndName("query", "limit").Schema.Value
	if *limit.Max != query.MaxLimit || limit.Default != float64(query.DefaultLimit) {
		t.Errorf("limit: the contract says %v by default and %v at most", limit.Default, *limit.Max)
	}
}

// TestEveryCodeHasAStatus reads the codes out of the source, so that a new one cannot be
// forgotten.
func TestEveryCodeHasAStatus(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"../../canteen/order/errors.go", "../../engine/query/query.go", "problem.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 || !strings.HasPrefix(strings.ToLower(spec.Names[0].Name), "code") {
				return true
			}
			literal, ok := spec.Values[0].(*ast.BasicLit)
			if !ok {
				return true
			}
			code, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			found++
			if k, ok := kinds[code]; !ok || k.title == "" || k.status < 400 {
				t.Errorf("%s: %s has no status", file, code)
			}
			return true
		})
		if found == 0 {
			t.Errorf("%s: no codes found", file)
		}
	}
}

func TestEveryPlaceWhereARequestBreaksTheContractIsListedOnce(t *testing.T) {
	t.Parallel()
	body := func(err error) error {
		return &openapi3filter.RequestError{RequestBody: &openapi3.RequestBody{}, Err: err}
	}
	limit := &openapi3.Parameter{In: "query", Name: "limit", Schema: openapi3.NewIntegerSchema().NewRef()}
	inLimit := func(err error) error { return &openapi3filter.RequestError{Parameter: limit, Err: err} }
	pattern := func(text string) error {
		return &openapi3.SchemaError{SchemaField: "pattern", Reason: "no match", Schema: openapi3.NewStringSchema().WithPattern(text)}
	}
	wrong, large := &openapi3.SchemaError{Reason: "wrong"}, &openapi3.SchemaError{Reason: "json.Number cannot hold it"}
	many := make(openapi3.MultiError, maxViolations+1)
	for i := range many {
		many[i] = body(wrong)
	}
	vague := "it does not keep to the contract"
	for name, test := range map[string]struct {
		err  error
		want []violation
	}{
		"an error of another kind":  {errors.New("secret"), []violation{{"body", "", vague}}},
		"a list without an error":   {openapi3.MultiError{}, []violation{{"body", "", vague}}},
		"several places":            {openapi3.MultiError{inLimit(wrong), body(large)}, []violation{{"query", "limit", "wrong"}, {"body", "", "the number is too large"}}},
		"several places in a body":  {body(openapi3.MultiError{wrong, large}), []violation{{"body", "", "wrong"}, {"body", "", "the number is too large"}}},
		"a body that is missing":    {body(openapi3filter.ErrInvalidRequired), []violation{{"body", "", "it is missing"}}},
		"a body beside the schema":  {body(errors.New("secret")), []violation{{"body", "", vague}}},
		"a parameter without value": {inLimit(openapi3filter.ErrInvalidEmptyValue), []violation{{"query", "limit", "it must not be empty"}}},
		"a key with a space":        {inLimit(pattern(`^[!-~]+$`)), []violation{{"query", "limit", "it must be visible ASCII characters, without spaces"}}},
		"a pattern without words":   {inLimit(pattern(`^x$`)), []violation{{"query", "limit", "no match"}}},
		"a parameter in words":      {inLimit(&openapi3filter.ParseError{}), []violation{{"query", "limit", "it must be a whole number in digits"}}},
	} {
		if diff := cmp.Diff(test.want, violationsOf(test.err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := violationsOf(many); len(got) != maxViolations {
		t.Errorf("%d violations are listed", len(got))
	}
}

// Whoever sends something odd is not told a regular expression.
func TestEveryPatternOfAParameterIsToldInWords(t *testing.T) {
	t.Parallel()
	c, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range c.document.Paths.Map() {
		for _, operation := range path.Operations() {
			for _, p := range operation.Parameters {
				if pattern := p.Value.Schema.Value.Pattern; pattern != "" && patternWords[pattern] == "" && p.Value.Name != "x-correlation-id" {
					t.Errorf("%s of %s: no words for %s", p.Value.Name, operation.OperationID, pattern)
				}
			}
		}
	}
}
