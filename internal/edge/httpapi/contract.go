package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"gakushoku/infra"
	"gakushoku/internal/observe"
)

// contract is infra/openapi.yaml, ready to check requests against.
type contract struct {
	document *openapi3.T
	json     []byte // as it is served
}

func loadContract() (*contract, error) {
	document, err := openapi3.NewLoader().LoadFromData(infra.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("reading the HTTP contract: %w", err)
	}
	raw, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("encoding the HTTP contract: %w", err)
	}
	return &contract{document: document, json: raw}, nil
}

// operation is one operation of the contract.
type operation struct {
	route  *routers.Route
	params []string // of the path
	query  map[string]bool
	single []string // headers that may come once
}

func (c *contract) operation(method, path string) (*operation, error) {
	item := c.document.Paths.Value(path)
	if item == nil || item.GetOperation(method) == nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, errNoContract)
	}
	o := &operation{query: map[string]bool{}, route: &routers.Route{
		Spec: c.document, Path: path, PathItem: item, Method: method, Operation: item.GetOperation(method),
	}}
	for _, ref := range slices.Concat(item.Parameters, o.route.Operation.Parameters) {
		switch p := ref.Value; p.In {
		case openapi3.ParameterInPath:
			o.params = append(o.params, p.Name)
		case openapi3.ParameterInQuery:
			o.query[p.Name] = true
		case openapi3.ParameterInHeader:
			if !strings.EqualFold(p.Name, observe.HeaderCorrelationID) && !strings.HasPrefix(p.Name, "trace") && p.Name != headerIfNoneMatch {
				o.single = append(o.single, p.Name)
			}
		}
	}
	return o, nil
}

// options are those of every check: all violations at once, and nothing is filled in.
var options = &openapi3filter.Options{
	MultiError:          true,
	SkipSettingDefaults: true,
	AuthenticationFunc:  openapi3filter.NoopAuthenticationFunc,
}

// check refuses a request that does not keep to the contract, with every place where it does
// not. Afterwards the body can be read as if nobody had.
func (o *operation) check(w http.ResponseWriter, r *http.Request) error {
	if body := o.route.Operation.RequestBody; body != nil {
		if err := takeBody(w, r, body.Value.Required); err != nil {
			return err
		}
	}
	violations, query := o.spelling(r)
	in := &openapi3filter.RequestValidationInput{
		Request: r, Route: o.route, Options: options, QueryParams: query, PathParams: make(map[string]string, len(o.params)),
	}
	for _, name := range o.params {
		in.PathParams[name] = r.PathValue(name)
	}
	if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil {
		violations = append(violations, violationsOf(err)...)
	}
	if len(violations) == 0 {
		return nil
	}
	return invalid(violations...)
}

// spelling finds what the library does not: parameters that are unknown, that come twice, or
// a query that cannot be read at all.
func (o *operation) spelling(r *http.Request) ([]violation, url.Values) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return []violation{{In: "query", Detail: "it is not well formed: percent-encode what is special"}}, query
	}
	var found []violation
	for name, values := range query {
		switch {
		case !o.query[name]:
			found = append(found, violation{In: "query", Name: clip(name), Detail: "there is no such parameter"})
		case len(values) > 1:
			found = append(found, onlyOnce("query", name))
		}
	}
	slices.SortFunc(found, func(a, b violation) int { return strings.Compare(a.Name, b.Name) })
	for _, name := range o.single {
		if len(r.Header.Values(name)) > 1 {
			found = append(found, onlyOnce("header", name))
		}
	}
	return found, query
}

func onlyOnce(in, name string) violation {
	return violation{In: in, Name: name, Detail: "it may come only once"}
}

// maxViolations bounds what a problem lists.
const maxViolations = 20

// violationsOf tells what the library found, place by place.
func violationsOf(err error) []violation {
	var all openapi3.MultiError
	if errors.As(err, &all) && len(all) > 0 && !isRequestError(err) {
		var found []violation
		for _, one := range all {
			found = append(found, violationsOf(one)...)
		}
		return found[:min(len(found), maxViolations)]
	}
	var request *openapi3filter.RequestError
	if !errors.As(err, &request) {
		return []violation{{In: "body", Detail: "it does not keep to the contract"}}
	}
	if p := request.Parameter; p != nil {
		return []violation{{In: p.In, Name: p.Name, Detail: reasonOf(request)}}
	}
	return bodyViolations(request)
}

func isRequestError(err error) bool {
	_, ok := err.(*openapi3filter.RequestError)
	return ok
}

// bodyViolations are the places in a body, as JSON pointers.
func bodyViolations(request *openapi3filter.RequestError) []violation {
	var several openapi3.MultiError
	causes := []error{request.Err}
	if errors.As(request.Err, &several) {
		causes = several
	}
	var found []violation
	for _, cause := range causes[:min(len(causes), maxViolations)] {
		var schema *openapi3.SchemaError
		if errors.As(cause, &schema) {
			found = append(found, violation{In: "body", Name: pointer(schema.JSONPointer()), Detail: schemaReason(schema)})
			continue
		}
		found = append(found, violation{In: "body", Detail: reasonOf(request)})
	}
	return found
}

// reasonOf is the library's reason without the schema that it adds to it.
func reasonOf(request *openapi3filter.RequestError) string {
	var schema *openapi3.SchemaError
	var parse *openapi3filter.ParseError
	switch {
	case errors.Is(request.Err, openapi3filter.ErrInvalidRequired):
		return "it is missing"
	case errors.Is(request.Err, openapi3filter.ErrInvalidEmptyValue):
		return "it must not be empty"
	case errors.As(request.Err, &schema):
		return schemaReason(schema)
	case errors.As(request.Err, &parse) && request.Parameter != nil && request.Parameter.Schema.Value.Type.Is("integer"):
		return "it must be a whole number in digits"
	}
	return "it does not keep to the contract"
}

// patternWords say what the patterns of what clients send mean.
var patternWords = map[string]string{
	`^[^\s/]+$`:                    "it must be without spaces and slashes",
	`^[!-~]+$`:                     "it must be visible ASCII characters, without spaces",
	`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`: "it must be a day, such as 2026-01-24",
}

// schemaReason is the library's reason, but for those that speak of Go, or in regular expressions.
func schemaReason(schema *openapi3.SchemaError) string {
	if strings.Contains(schema.Reason, "json.Number") {
		return "the number is too large"
	}
	if words := patternWords[patternOf(schema)]; words != "" {
		return words
	}
	return clip(schema.Reason)
}

// patternOf is the pattern that was not met, "" when it was something else.
func patternOf(schema *openapi3.SchemaError) string {
	if schema.SchemaField != "pattern" || schema.Schema == nil {
		return ""
	}
	return schema.Schema.Pattern
}

// pointer is a JSON pointer; the whole body is "".
func pointer(path []string) string {
	var b strings.Builder
	for _, step := range path {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(step))
	}
	return clip(b.String())
}

// maxEcho bounds what of a request is repeated in a response or a log line, in bytes.
const maxEcho = 200

// clip cuts s to maxEcho, at a character's end.
func clip(s string) string {
	if len(s) <= maxEcho {
		return s
	}
	return strings.ToValidUTF8(s[:maxEcho], "") + "..."
}
