package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"gakushoku/internal/engine/query"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
)

// resource is what the queries of one view have in common.
type resource struct {
	view   model.View
	path   []param                    // the parameters that its paths may have
	id     func(*http.Request) string // of the row that a request names
	rows   string                     // the member of a list's body that has the rows
	value  param                      // filters a list by one of the view's values; the zero param: it has no such filter
	bucket param                      // filters a list by bucket, as value does
	own    owned                      // how the rows of one owner are found; the zero value: lists are not for owners
}

// owned is a view whose buckets are owners, from a revision on. Its rows name the ids of other rows.
type owned struct {
	view  model.View
	since int
}

func (s *server) of(p resource) query.Queries { return s.Queries.Of(p.view) }

// one returns the route of one row.
func (p resource) one(o operation) route {
	return route{o, PartQueries, o.with(p.path, ifMinVersion, minVersion, ifNoneMatch), func(c *call) error {
		row, err := c.server.get(c, p)
		if c.owner != "" {
			err = p.checkOwner(c, row, err)
		}
		if err != nil {
			return err
		}
		tag := etag(row.Version)
		c.w.Header().Set("ETag", tag)
		c.w.Header().Set("Cache-Control", "no-cache")
		if matches(strings.Join(c.Header.Values(headerIfNoneMatch), ","), tag) {
			c.w.WriteHeader(http.StatusNotModified)
			return nil
		}
		return respond(c.w, http.StatusOK, row)
	}}
}

// checkOwner refuses a row of another owner as if it were not there. A row that does not name its owner, since
// an older revision made it, belongs to the actor of its stream's first event. So does one that has not reached
// the requested version: that refusal would tell that it exists.
func (p resource) checkOwner(c *call, row query.Row, refusal error) error {
	var named struct {
		Owner *string `json:"owner"`
	}
	var refused *query.Error
	switch {
	case refusal == nil:
		if err := json.Unmarshal(row.Data, &named); err != nil {
			return fmt.Errorf("reading the owner of a row: %w", err)
		}
	case !errors.As(refusal, &refused) || refused.Code != p.view.NotReached:
		return refusal
	}
	if named.Owner == nil {
		h, err := c.server.of(p).History(c.Context(), p.id(c.Request))
		if err != nil {
			return err
		}
		named.Owner = &h.Events[0].Actor
	}
	if *named.Owner != c.owner {
		return p.view.NotFound
	}
	return refusal
}

// oldest returns the minimum version that a client accepts, from a header or parameter; 0 accepts any.
func oldest(c *call) uint64 {
	header, _ := strconv.ParseUint(c.Header.Get(headerIfMinVersion), 10, 63) // validated before; "" is 0
	parameter, _ := strconv.ParseUint(c.query.Get(minVersion.name), 10, 63)
	return max(header, parameter)
}

// list returns the route of the list of rows.
func (p resource) list(o operation) route {
	in := o.with(p.path)
	for _, filter := range []param{p.value, p.bucket, cursor, limit} {
		if filter.name != "" {
			in.params = append(in.params, filter)
		}
	}
	return route{o, PartQueries, in, func(c *call) error {
		most, _ := strconv.Atoi(c.query.Get(limit.name)) // validated before; "" is 0, the default
		r := query.ListRequest{
			Value: c.query.Get(p.value.name), Bucket: c.query.Get(p.bucket.name), Cursor: c.query.Get(cursor.name), Limit: most,
		}
		look := c.server.of(p).List
		if c.owner != "" {
			look = func(ctx context.Context, r query.ListRequest) (query.Page, error) { return p.ownList(ctx, c, r) }
		}
		found, err := look(c.Context(), r)
		if err != nil {
			return err
		}
		body := map[string]any{p.rows: append([]query.Row{}, found.Rows...)}
		if found.Next != "" {
			body["next"] = found.Next
		}
		return respond(c.w, http.StatusOK, body)
	}}
}

// ownList returns a page of what the caller owns. It is found by its owner, then each row is read.
func (p resource) ownList(ctx context.Context, c *call, r query.ListRequest) (query.Page, error) {
	index := c.server.Queries.Of(p.own.view)
	revision, err := index.Revision(ctx)
	switch {
	case err != nil:
		return query.Page{}, err
	case revision > 0 && revision < p.own.since:
		return query.Page{}, fault.Unavailable(fmt.Errorf("the read model %s is of revision %d: rebuild it to list by owner", p.own.view.Projection, revision))
	case r.Bucket != "":
		return query.Page{}, &query.Error{Code: query.CodeInvalidBucket, Detail: "your own orders are listed without a " + p.bucket.name}
	}
	status := r.Value
	r.Value, r.Bucket = "", c.owner
	page, err := index.List(ctx, r)
	if err != nil {
		return query.Page{}, err
	}
	ids := make([]string, len(page.Rows))
	for i, row := range page.Rows {
		var named map[string]json.RawMessage
		if err = json.Unmarshal(row.Data, &named); err == nil {
			err = json.Unmarshal(named[p.view.Kind.Key], &ids[i])
		}
		if err != nil {
			return query.Page{}, fmt.Errorf("reading the id of a row: %w", err)
		}
	}
	if page.Rows, err = c.server.of(p).Many(ctx, ids); err != nil || status == "" {
		return page, err
	}
	page.Rows = slices.DeleteFunc(page.Rows, func(row query.Row) bool {
		has, matchErr := p.view.Matches(row.Data, status)
		err = errors.Join(err, matchErr)
		return !has
	})
	return page, err
}

// history returns the route of the events of one row.
func (p resource) history(o operation) route {
	return route{o, PartQueries, o.with(p.path), func(c *call) error {
		id := p.id(c.Request)
		h, err := c.server.of(p).History(c.Context(), id)
		if err != nil {
			return err
		}
		events := make([]json.RawMessage, len(h.Events))
		for i := range h.Events {
			events[i] = event.AppendJSON(nil, &h.Events[i])
		}
		c.w.Header().Set("ETag", etag(h.Version))
		return respond(c.w, http.StatusOK, map[string]any{p.view.Kind.Key: id, "stream": h.Stream, "version": h.Version, "events": events})
	}}
}

// total returns the route of one total, which is named by a parameter of the path. show returns the body of the
// response.
func total[T any](p resource, o operation, name param, show func(bucket string, total map[string]int64) T) route {
	return route{o, PartQueries, o.with([]param{name}), func(c *call) error {
		bucket := c.PathValue(name.name)
		sums, err := c.server.of(p).Total(c.Context(), bucket)
		if err != nil {
			return err
		}
		return respond(c.w, http.StatusOK, show(bucket, sums))
	}}
}
