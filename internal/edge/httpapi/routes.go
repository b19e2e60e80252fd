package httpapi

import (
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gakushoku/internal/engine/query"
)

// operation is what the contract says about a route.
type operation struct {
	id     string // operationId in the contract
	method string
	path   string   // as in the contract; also a valid pattern of http.ServeMux
	scopes []string // the caller needs one of them; none: everyone may
}

// route is one operation of the interface.
type route struct {
	operation
	part   Parts
	input  input
	handle func(*call) error
}

// call is one request to a route. It matches the route's input.
type call struct {
	*http.Request
	w      http.ResponseWriter
	server *server
	owner  string // whose aggregates the request is restricted to; "": everybody's
	query  url.Values
	body   any // what the input's shape made of the body; nil if there is none
}

// routes returns all routes. Those of the canteen are in a file for each aggregate.
func routes() []route {
	return slices.Concat(orderRoutes(), menuRoutes(), stockRoutes(), serviceRoutes())
}

// The parameters that several routes have.
var (
	pathID         = param{inPath, "id", all(length(1, 128), oneSegment)}
	idempotencyKey = param{inHeader, headerIdempotencyKey, all(length(1, 128), visibleASCII)}
	ifNoneMatch    = param{inHeader, headerIfNoneMatch, length(0, 256)}
	ifMinVersion   = param{inHeader, headerIfMinVersion, whole(0, math.MaxInt64)}
	minVersion     = param{inQuery, "minVersion", whole(0, math.MaxInt64)}
	cursor         = param{inQuery, "cursor", length(1, 1024)}
	limit          = param{inQuery, "limit", whole(1, query.MaxLimit)}
)

// byID returns the id in a path with {id}, "" for a path without it.
func byID(r *http.Request) string { return r.PathValue(pathID.name) }

// with returns the input of an operation: those of the parameters that its path names, and more.
func (o operation) with(path []param, more ...param) input {
	var in input
	for _, p := range path {
		if strings.Contains(o.path, "{"+p.name+"}") {
			in.params = append(in.params, p)
		}
	}
	in.params = append(in.params, more...)
	return in
}

// guarded returns a route that is refused when check fails.
func guarded(check func(*call) error, r route) route {
	handle := r.handle
	r.handle = func(c *call) error {
		if err := check(c); err != nil {
			return err
		}
		return handle(c)
	}
	return r
}
