package httpapi

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"gakushoku/internal/canteen/readmodel"
	"gakushoku/internal/engine/query"
	"gakushoku/internal/event"
)

func (s *server) getOrder(w http.ResponseWriter, r *http.Request) error {
	o, err := s.Queries.Get(r.Context(), r.PathValue("id"), oldest(r))
	if err != nil {
		return err
	}
	tag := etag(o.Version)
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "no-cache")
	if matches(strings.Join(r.Header.Values(headerIfNoneMatch), ","), tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return respond(w, http.StatusOK, o)
}

// oldest returns the minimum version that a client accepts, from a header or parameter; 0 accepts any.
func oldest(r *http.Request) uint64 {
	header, _ := strconv.ParseUint(r.Header.Get(headerIfMinVersion), 10, 63) // validated before; "" is 0
	parameter, _ := strconv.ParseUint(r.URL.Query().Get("minVersion"), 10, 63)
	return max(header, parameter)
}

// page is the body of a list.
type page struct {
	Orders []query.Row `json:"orders"`
	Next   string      `json:"next,omitempty"`
}

func (s *server) listOrders(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	limit, _ := strconv.Atoi(q.Get("limit")) // validated before; "" is 0, the default
	found, err := s.Queries.List(r.Context(), query.ListRequest{
		Value: q.Get("status"), Bucket: q.Get("day"), Cursor: q.Get("cursor"), Limit: limit,
	})
	if err != nil {
		return err
	}
	body := page{Orders: found.Rows, Next: found.Next}
	if body.Orders == nil {
		body.Orders = []query.Row{}
	}
	return respond(w, http.StatusOK, body)
}

func (s *server) getSales(w http.ResponseWriter, r *http.Request) error {
	day := r.PathValue("day")
	total, err := s.Queries.Total(r.Context(), day)
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, readmodel.SalesOf(day, total))
}

// history is the body of an order's events.
type history struct {
	OrderID string            `json:"orderId"`
	Stream  string            `json:"stream"`
	Version uint64            `json:"version"`
	Events  []json.RawMessage `json:"events"`
}

func (s *server) getOrderEvents(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	h, err := s.Queries.History(r.Context(), id)
	if err != nil {
		return err
	}
	body := history{OrderID: id, Stream: h.Stream, Version: h.Version, Events: make([]json.RawMessage, len(h.Events))}
	for i := range h.Events {
		body.Events[i] = event.AppendJSON(nil, &h.Events[i])
	}
	w.Header().Set("ETag", etag(h.Version))
	return respond(w, http.StatusOK, body)
}
