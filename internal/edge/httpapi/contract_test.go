package httpapi

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/google/go-cmp/cmp"

	"gakushoku/infra"
	"gakushoku/internal/canteen/order"
	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/query"
)

// contract is infra/openapi.yaml, ready to check requests and responses against.
type contract struct{ document *openapi3.T }

func loadContract() (*contract, error) {
	document, err := openapi3.NewLoader().LoadFromData(infra.OpenAPI())
	return &contract{document: document}, err
}

// route returns the operation that serves a route of ours.
func (c *contract) route(r route) *routers.Route {
	item := c.document.Paths.Value(r.path)
	return &routers.Route{Spec: c.document, Path: r.path, PathItem: item, Method: r.method, Operation: item.GetOperation(r.method)}
}

func TestContractAndRoutesAreTheSame(t *testing.T) {
	t.Parallel()
	c, err := loadContract()
	if err != nil {
		t.Fatal(err)
	}
	documented, served := map[string]string{}, map[string]string{} // the scopes, by operation
	for path, item := range c.document.Paths.Map() {
		for method, o := range item.Operations() {
			scopes, _ := o.Extensions["x-scopes"].([]any)
			if open := o.Security != nil && len(*o.Security) == 0; open == (len(scopes) > 0) {
				t.Errorf("%s: it is open to everyone and has scopes, or neither", o.OperationID)
			}
			documented[o.OperationID+": "+method+" "+path] = fmt.Sprint(scopes)
		}
	}
	for _, r := range routes() {
		served[r.id+": "+r.method+" "+r.path] = fmt.Sprint(r.scopes)
	}
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
	methods := []string{string(order.MethodCard), string(order.MethodCash), string(order.MethodUnknown)}
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
	files, err := filepath.Glob("../../canteen/*/errors.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range append(files, "../../engine/query/query.go", "../../engine/command/refusals.go", "problem.go") {
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
