package httpapi

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"gakushoku/internal/engine/query"
	"gakushoku/internal/event"
)

func (s *server) getOrder(w http.ResponseWriter, r *http.Request) error {
	minVersion, err := minVersion(r)
	if err != nil {
		return err
	}
	o, err := s.Queries.GetOrder(r.Context(), r.PathValue("id"), minVersion)
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

// minVersion is the larger of the header and the parameter; 0 when there is neither.
func minVersion(r *http.Request) (uint64, error) {
	var highest uint64
	for _, asked := range []struct{ in, name, value string }{
		{"header", headerIfMinVersion, r.Header.Get(headerIfMinVersion)},
		{"query", "minVersion", r.URL.Query().Get("minVersion")},
	} {
		if asked.value == "" {
			continue
		}
		n, err := strconv.ParseUint(asked.value, 10, 63)
		if err != nil {
			return 0, invalid(violation{In: asked.in, Name: asked.name, Detail: "it must be a version: 0, 1, 2..."})
		}
		highest = max(highest, n)
	}
	return highest, nil
}

// page is the body of a list.
type page struct {
	Orders []query.Order `json:"orders"`
	Next   string        `json:"next,omitempty"`
}

func (s *server) listOrders(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	limit := 0
	if asked := q.Get("limit"); asked != "" {
		var err error
		if limit, err = strconv.Atoi(asked); err != nil {
			return invalid(violation{In: "query", Name: "limit", Detail: "it must be a number in digits"})
		}
	}
	found, err := s.Queries.ListOrders(r.Context(), query.ListRequest{
		Status: q.Get("status"), Day: q.Get("day"), Cursor: q.Get("cursor"), Limit: limit,
	})
	if err != nil {
		return err
	}
	body := page{Orders: found.Orders, Next: found.Next}
	if body.Orders == nil {
		body.Orders = []query.Order{}
	}
	return respond(w, http.StatusOK, body)
}

func (s *server) getSales(w http.ResponseWriter, r *http.Request) error {
	sales, err := s.Queries.Sales(r.Context(), r.PathValue("day"))
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, sales)
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
