package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// input is what a route accepts. infra/openapi.yaml describes the same to clients; a test sends generated
// requests to both.
type input struct {
	params []param
	body   builder // nil for a route without a body
	must   bool    // whether the body is required
}

// builder is a shape of any type.
type builder interface {
	// build returns what a JSON value stands for, and where it does not have the shape.
	build(value any) (any, []violation)
}

// param is a parameter of a request.
type param struct {
	in, name string
	wrong    func(value string) string // returns what is wrong with a value; "" if nothing is
}

// The locations of parameters.
const (
	inPath   = "path"
	inQuery  = "query"
	inHeader = "header"
	inBody   = "body"
)

// read returns the query and what the body stands for, nil if there is none. It refuses a request that does
// not match the input, and lists every mismatch.
func (in input) read(w http.ResponseWriter, r *http.Request) (url.Values, any, error) {
	var value, body any
	var given bool
	if in.body != nil {
		var err error
		if value, given, err = takeBody(w, r, in.must); err != nil {
			return nil, nil, err
		}
	}
	query, found := in.spelling(r)
	for _, p := range in.params {
		if value, given := p.value(r, query); given {
			found = append(found, violations(p.in, p.name, p.wrong(value))...)
		}
	}
	if given {
		var wrong []violation
		body, wrong = in.body.build(value)
		found = append(found, wrong...)
	}
	if len(found) == 0 {
		return query, body, nil
	}
	return nil, nil, invalid(found[:min(len(found), maxViolations)]...)
}

// maxViolations bounds the list of violations in a problem.
const maxViolations = 20

// spelling parses the query and finds unknown and repeated parameters.
func (in input) spelling(r *http.Request) (url.Values, []violation) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return query, violations(inQuery, "", "malformed: percent-encode special characters")
	}
	var found []violation
	for name, values := range query {
		switch {
		case !slices.ContainsFunc(in.params, func(p param) bool { return p.in == inQuery && p.name == name }):
			found = append(found, violations(inQuery, clip(name), "unknown parameter")...)
		case len(values) > 1:
			found = append(found, onlyOnce(inQuery, name))
		}
	}
	slices.SortFunc(found, func(a, b violation) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range in.params {
		if p.in == inHeader && p.name != headerIfNoneMatch && len(r.Header.Values(p.name)) > 1 {
			found = append(found, onlyOnce(inHeader, p.name))
		}
	}
	return query, found
}

// value returns the parameter's first value in a request, and whether there is one.
func (p param) value(r *http.Request, query url.Values) (string, bool) {
	values := query[p.name]
	switch p.in {
	case inPath:
		return r.PathValue(p.name), true
	case inHeader:
		values = r.Header.Values(p.name)
	}
	if len(values) == 0 {
		return "", false
	}
	return values[0], true
}

// violations returns a violation with this detail, or none if the detail is empty.
func violations(in, name, detail string) []violation {
	if detail == "" {
		return nil
	}
	return []violation{{In: in, Name: name, Detail: detail}}
}

func onlyOnce(in, name string) violation {
	return violation{In: in, Name: name, Detail: "must be sent only once"}
}

// maxEcho bounds how many bytes of a request are repeated in a response or a log line.
const maxEcho = 200

// clip truncates s to at most maxEcho bytes at a character boundary.
func clip(s string) string {
	if len(s) <= maxEcho {
		return s
	}
	return strings.ToValidUTF8(s[:maxEcho], "") + "..."
}
