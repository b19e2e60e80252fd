package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The handlers decode requests by themselves, and clients read the contract: each generated request,
// valid or not, must be refused by both, in the same places, or by neither.
func TestHandlersAndContractRefuseTheSameRequests(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	all := routes()
	rapid.Check(t, func(t *rapid.T) {
		for range 20 {
			route := rapid.SampledFrom(all).Draw(t, "route")
			r, body := drawRequest(t, c.contract, route)
			want := verdictOf(c.contract, route, r, body)
			w := httptest.NewRecorder()
			r.Body = io.NopCloser(strings.NewReader(body))
			c.handler.ServeHTTP(w, r)
			if diff := cmp.Diff(want, verdictIn(answer{w.Result(), w.Body.String()})); diff != "" {
				t.Fatalf("%s %s %v %q: contract (-) and handler (+) differ:\n%s%s", r.Method, r.URL, r.Header, body, diff, w.Body)
			}
		}
	})
}

// verdict is why a request does not match the contract.
type verdict struct {
	code   string   // "" when it matches
	places []string // without repetitions, sorted
}

// Equal is for cmp.
func (v verdict) Equal(other verdict) bool {
	return v.code == other.code && slices.Equal(v.places, other.places)
}

func refusedAt(places map[string]bool) verdict {
	if len(places) == 0 {
		return verdict{}
	}
	return verdict{codeInvalid, slices.Sorted(maps.Keys(places))}
}

// verdictIn reads the verdict from a response. What the rules of the canteen refuse matches.
func verdictIn(a answer) verdict {
	code, _ := a.field("code").(string)
	if code != codeInvalid {
		if a.StatusCode != http.StatusUnsupportedMediaType && code != codeMalformed {
			code = ""
		}
		return verdict{code: code}
	}
	places := map[string]bool{}
	for _, e := range a.field("errors").([]any) {
		v := e.(map[string]any)
		name, _ := v["name"].(string)
		places[fmt.Sprint(v["in"], " ", name)] = true
	}
	return refusedAt(places)
}

var validation = &openapi3filter.Options{MultiError: true, SkipSettingDefaults: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}

// verdictOf asks the contract.
func verdictOf(c *contract, route route, r *http.Request, body string) verdict {
	operation := c.route(route)
	body = strings.TrimSpace(body) // a blank body is none
	r.Body = io.NopCloser(strings.NewReader(body))
	query := r.URL.Query()
	in := &openapi3filter.RequestValidationInput{Request: r, Route: operation, Options: validation, QueryParams: query, PathParams: pathValues(route, r)}
	places := map[string]bool{}
	for _, err := range errorsIn(openapi3filter.ValidateRequest(r.Context(), in)) {
		var request *openapi3filter.RequestError
		if !errors.As(err, &request) {
			panic(err)
		}
		if request.Parameter == nil {
			if code := codeOf(request); code != codeInvalid {
				return verdict{code: code}
			}
		}
		for _, place := range placesIn(request) {
			places[place] = true
		}
	}
	if operation.Operation.RequestBody != nil && body != "" {
		spelledInDigits(operation.Operation.RequestBody.Value.Content.Get("application/json").Schema.Value, "", decoded(body), places)
	} else if places["body "] {
		return refusedAt(map[string]bool{"body ": true}) // a missing body is told alone
	}
	addSpelling(operation, r, query, places)
	return refusedAt(places)
}

func pathValues(route route, r *http.Request) map[string]string {
	values := map[string]string{}
	mux := http.NewServeMux()
	mux.HandleFunc(route.method+" "+route.path, func(_ http.ResponseWriter, r *http.Request) {
		for _, p := range route.input.params {
			if p.in == inPath {
				values[p.name] = r.PathValue(p.name)
			}
		}
	})
	mux.ServeHTTP(httptest.NewRecorder(), r.Clone(r.Context()))
	return values
}

// addSpelling adds what OpenAPI has no words for and the contract says in its description:
// parameters come once, are known, and numbers are written in digits.
func addSpelling(operation *routers.Route, r *http.Request, query url.Values, places map[string]bool) {
	known := map[string]bool{}
	for _, ref := range slices.Concat(operation.PathItem.Parameters, operation.Operation.Parameters) {
		p := ref.Value
		values := query[p.Name]
		if p.In == inHeader {
			values = r.Header.Values(p.Name)
		}
		known[p.In+p.Name] = true
		digits := !p.Schema.Value.Type.Is("integer") || !slices.ContainsFunc(values, func(v string) bool { return strings.Trim(v, "0123456789") != "" })
		once := len(values) < 2 || p.Name == headerIfNoneMatch || p.Schema.Value.MinLength == 0 && p.Schema.Value.Type.Is("string") && p.In == inHeader
		if p.In != inPath && (!digits || !once) {
			places[p.In+" "+p.Name] = true
		}
	}
	for name := range query {
		if !known[inQuery+name] {
			places[inQuery+" "+name] = true
		}
	}
}

// spelledInDigits adds the integers of a body that are written with a fraction or an exponent, or
// have no room in 64 bits.
func spelledInDigits(schema *openapi3.Schema, at string, value any, places map[string]bool) {
	switch v := value.(type) {
	case json.Number:
		if _, err := strconv.ParseInt(v.String(), 10, 64); err != nil && schema.Type.Is("integer") {
			places["body "+at] = true
		}
	case []any:
		for i := 0; schema.Items != nil && i < len(v); i++ {
			spelledInDigits(schema.Items.Value, fmt.Sprint(at, "/", i), v[i], places)
		}
	case map[string]any:
		for name, member := range v {
			if known := schema.Properties[name]; known != nil {
				spelledInDigits(known.Value, at+"/"+name, member, places)
			}
		}
	}
}

func decoded(body string) (value any) {
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.UseNumber()
	_ = decoder.Decode(&value) // what cannot be read is refused before
	return value
}

// errorsIn flattens what the validator returns.
func errorsIn(err error) []error {
	var several openapi3.MultiError
	if _, one := err.(*openapi3filter.RequestError); one || !errors.As(err, &several) {
		if err == nil {
			return nil
		}
		return []error{err}
	}
	var all []error
	for _, e := range several {
		all = append(all, errorsIn(e)...)
	}
	return all
}

func codeOf(request *openapi3filter.RequestError) string {
	var parse *openapi3filter.ParseError
	switch {
	case strings.Contains(request.Reason, "Content-Type"):
		return codeMediaType
	case errors.As(request.Err, &parse):
		return codeMalformed
	}
	return codeInvalid
}

func placesIn(request *openapi3filter.RequestError) []string {
	if p := request.Parameter; p != nil {
		return []string{p.In + " " + p.Name}
	}
	var places []string
	for _, err := range errorsIn(request.Err) {
		var schema *openapi3.SchemaError
		var steps []string
		if errors.As(err, &schema) {
			steps = schema.JSONPointer()
		}
		place := "body "
		for _, step := range steps {
			place += "/" + step
		}
		places = append(places, place)
	}
	return places
}

// drawRequest draws a request to a route, and its body: most of it valid, some of it not.
func drawRequest(t *rapid.T, c *contract, route route) (*http.Request, string) {
	operation := c.route(route)
	path, query, headers := route.path, url.Values{}, http.Header{}
	for _, ref := range slices.Concat(operation.PathItem.Parameters, operation.Operation.Parameters) {
		p := ref.Value
		if p.In == inPath {
			path = strings.Replace(path, "{"+p.Name+"}", url.PathEscape(drawParam(t, p)), 1)
			continue
		}
		for range rapid.SampledFrom([]int{0, 0, 0, 1, 1, 1, 1, 2}).Draw(t, "times") {
			if p.In == inQuery {
				query.Add(p.Name, drawParam(t, p))
			} else {
				headers.Add(p.Name, drawParam(t, p))
			}
		}
	}
	if rare(t) {
		query.Add("staus", "PAID")
	}
	body := ""
	if b := operation.Operation.RequestBody; b != nil {
		body = drawBody(t, b.Value.Content.Get("application/json").Schema.Value)
		headers.Set("Content-Type", rapid.SampledFrom([]string{"application/json", "application/json", "application/json", "application/json; charset=utf-8", "text/plain"}).Draw(t, "type"))
	}
	r := httptest.NewRequest(route.method, path+"?"+query.Encode(), strings.NewReader(body))
	r.Header = headers
	return r, body
}

func rare(t *rapid.T) bool { return rapid.IntRange(0, 9).Draw(t, "rare") == 9 }

func drawParam(t *rapid.T, p *openapi3.Parameter) string {
	schema := p.Schema.Value
	odd := []string{"", "x", "-1", "1.5", "9223372036854775807", "9223372036854775808", "2026-02-30", "2026-1-1", strings.Repeat("注", 128), strings.Repeat("x", 300), "é b", "+7", "a\tb"}
	if p.In == inPath {
		odd = slices.DeleteFunc(odd, func(s string) bool { return s == "" }) // another route
		odd = append(odd, "a/b")
	}
	if rare(t) {
		return rapid.SampledFrom(odd).Draw(t, p.Name)
	}
	switch {
	case len(schema.Enum) > 0:
		return schema.Enum[rapid.IntRange(0, len(schema.Enum)-1).Draw(t, p.Name)].(string)
	case schema.Type.Is("integer"):
		return strconv.Itoa(rapid.IntRange(0, 101).Draw(t, p.Name))
	case strings.Contains(schema.Pattern, "-"):
		return rapid.SampledFrom([]string{"2026-01-24", "k-1", "2026-13-01"}).Draw(t, p.Name)
	}
	return rapid.SampledFrom([]string{"o1", "注文-1", "k"}).Draw(t, p.Name)
}

// drawBody draws a body: a value of the schema, or one that is close to it.
func drawBody(t *rapid.T, schema *openapi3.Schema) string {
	if rare(t) {
		return rapid.SampledFrom([]string{"", " \n"}).Draw(t, "blank")
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	if err := encoder.Encode(drawValue(t, schema)); err != nil {
		t.Fatal(err)
	}
	if rare(t) {
		return text.String()[:rapid.IntRange(0, text.Len()-1).Draw(t, "cut")]
	}
	return text.String()
}

func drawValue(t *rapid.T, schema *openapi3.Schema) any {
	if rare(t) {
		return rapid.SampledFrom([]any{nil, true, "", "x", 7, []any{}, []any{nil}, map[string]any{}, map[string]any{"x": 1}}).Draw(t, "odd")
	}
	switch {
	case len(schema.Enum) > 0:
		return schema.Enum[rapid.IntRange(0, len(schema.Enum)-1).Draw(t, "enum")]
	case schema.Type.Is("integer"):
		return json.Number(rapid.SampledFrom([]string{"1", "780", "0", "-5", "1000001", "9223372036854775807", "9223372036854775808", "780.0", "1e2", "0.5", "1e999", "-0"}).Draw(t, "number"))
	case schema.Type.Is("array"):
		items := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			items = append(items, drawValue(t, schema.Items.Value))
		}
		return items
	case schema.Type.Is("object"):
		return drawObject(t, schema)
	}
	return rapid.SampledFrom([]string{"", "x", "o1", "注文", strings.Repeat("注", 129), "a b", "\x00"}).Draw(t, "text")
}

func drawObject(t *rapid.T, schema *openapi3.Schema) map[string]any {
	object := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		if rapid.IntRange(0, 3).Draw(t, "left out") > 0 {
			object[name] = drawValue(t, schema.Properties[name].Value)
		}
	}
	if rare(t) {
		object[rapid.SampledFrom([]string{"tip", "Total", "a/b~c"}).Draw(t, "unknown")] = 1
	}
	return object
}
