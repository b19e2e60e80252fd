package httpapi

import (
	"net/http"
	"net/url"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/event"
)

// outcome is the body of a command's response. It describes the order right after the command, so that a
// repeat gets the same.
type outcome struct {
	OrderID       string              `json:"orderId"`
	Status        order.Status        `json:"status"`
	Total         int64               `json:"total"` // yen
	PaymentMethod order.PaymentMethod `json:"paymentMethod,omitempty"`
	Version       uint64              `json:"version"`
	EventIDs      []string            `json:"eventIds"`
}

func (s *server) placeOrder(w http.ResponseWriter, r *http.Request) error {
	var c order.PlaceOrder
	if err := decodeBody(r, &c); err != nil {
		return err
	}
	result, err := command.Execute(r.Context(), s.Commands, order.Rules, command.Request[order.Command]{Command: c, Key: r.Header.Get(headerIdempotencyKey)})
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/orders/"+url.PathEscape(result.State.OrderID))
	return tell(w, http.StatusCreated, result)
}

func (s *server) payOrder(w http.ResponseWriter, r *http.Request) error {
	var c order.PayOrder
	if err := decodeBody(r, &c); err != nil {
		return err
	}
	c.At = event.InstantOf(s.Now())
	return s.change(w, r, c)
}

func (s *server) cancelOrder(w http.ResponseWriter, r *http.Request) error {
	var c order.CancelOrder
	if err := decodeBody(r, &c); err != nil {
		return err
	}
	return s.change(w, r, c)
}

func (s *server) startPreparing(w http.ResponseWriter, r *http.Request) error {
	return s.change(w, r, order.StartPreparing{})
}

func (s *server) markReady(w http.ResponseWriter, r *http.Request) error {
	return s.change(w, r, order.MarkReady{})
}

func (s *server) pickUp(w http.ResponseWriter, r *http.Request) error {
	return s.change(w, r, order.PickUp{})
}

// change executes a command for the order in the path.
func (s *server) change(w http.ResponseWriter, r *http.Request, c order.Command) error {
	result, err := command.Execute(r.Context(), s.Commands, order.Rules,
		command.Request[order.Command]{ID: r.PathValue("id"), Command: c, Key: r.Header.Get(headerIdempotencyKey)})
	if err != nil {
		return err
	}
	return tell(w, http.StatusOK, result)
}

// tell responds with the result of a command.
func tell(w http.ResponseWriter, status int, result command.Result[order.State]) error {
	if result.Repeated {
		w.Header().Set(headerReplayed, "true")
	}
	w.Header().Set("ETag", etag(result.Version))
	ids := make([]string, len(result.Events))
	for i := range result.Events {
		ids[i] = result.Events[i].ID
	}
	return respond(w, status, outcome{
		OrderID: result.State.OrderID, Status: result.State.Status, Total: result.State.Total,
		PaymentMethod: result.State.Method, Version: result.Version, EventIDs: ids,
	})
}
