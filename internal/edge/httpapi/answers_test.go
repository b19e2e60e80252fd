package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/event"
	"gakushoku/internal/store/memory"
)

func TestACommandTellsTheIDsAndTheTimeOfItsEvents(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	c.send("POST /orders", `{"orderId":"o1","total":780}`).want(t, 201, "")
	paid := c.send("POST /orders/o1/pay", `{"paymentMethod":"CARD"}`).want(t, 200, "")
	stored, err := c.events.Load(t.Context(), "order-o1", 1)
	if err != nil || len(stored) != 1 {
		t.Fatal(stored, err)
	}
	ids, _ := paid.field("eventIds").([]any)
	if !slices.Equal(ids, []any{stored[0].ID}) {
		t.Errorf("the event ids are %v, want %s", ids, stored[0].ID)
	}
	var p order.Paid
	if err := p.Decode(&stored[0]); err != nil || p.PaidAt.IsZero() || p.PaidAt > stored[0].OccurredAt {
		t.Errorf("paid at %s, %v; want the time at which the request came", p.PaidAt, err)
	}
}

func TestAListHasAsManyOrdersAsAskedFor(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	for range 3 {
		c.send("POST /orders", `{"total":780}`).want(t, 201, "")
	}
	c.project()
	for query, want := range map[string]int{"": 3, "?limit=1": 1, "?limit=2": 2, "?limit=3": 3} {
		a := c.send("GET /orders"+query, "").want(t, 200, "")
		if orders, _ := a.field("orders").([]any); len(orders) != want || (a.field("next") != nil) != (want < 3) {
			t.Errorf("%q: %d orders, next %v", query, len(orders), a.field("next"))
		}
	}
}

func TestAnEntityTagMatchesInEverySpelling(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]bool{
		`"1"`: true, `W/"1"`: true, ` W/"1" `: true, `"2", "1"`: true, `"2",W/"1"`: true, `*`: true,
		`"2"`: false, `1`: false, ``: false, `W/"2"`: false, `"1`: false,
	} {
		if got := matches(header, etag(1)); got != want {
			t.Errorf("If-None-Match: %s: %t", header, got)
		}
	}
}

// refusal is a refusal of the rules that the contract does not know.
type refusal struct{ error }

func (refusal) DomainCode() string { return "order/unheard-of" }

func TestARefusalThatNobodyKnowsIsARefusalAllTheSame(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	writeError(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/orders", nil), refusal{errors.New("no")})
	if w.Code != http.StatusUnprocessableEntity {
		t.Errorf("got %d: %s", w.Code, w.Body)
	}
}

func TestAResponseThatCannotBeWrittenAsJSONIsAFailure(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	if err := respond(w, http.StatusOK, json.RawMessage("{")); err == nil || w.Body.Len() > 0 || len(w.Header()) > 0 {
		t.Errorf("got %v, %q and %v were written", err, w.Body, w.Header())
	}
}

func TestPathsOutsideOfTheServerAreNotThere(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{"/": true, "/orders": true, "/orders/": true, "*": false, "": false, "orders": false, "//orders": false, "/./orders": false, "/orders/..": false} {
		if got := clean(path); got != want {
			t.Errorf("%q is clean: %t", path, got)
		}
	}
}

// aborting is an event store whose reader has had enough, as a proxy's copying has.
type aborting struct{ *memory.Events }

func (aborting) Load(context.Context, string, uint64) ([]event.Event, error) {
	panic(http.ErrAbortHandler)
}

func TestAnAbortedResponseIsLeftToTheServerAndLogged(t *testing.T) {
	t.Parallel()
	c := newCanteen(t, func(c *Config) {
		c.Commands = &command.Handler{Streams: aborting{memory.NewEvents()}, Now: c.Now, NewID: func() string { return "id" }}
	})
	defer func() {
		if r := recover(); r != http.ErrAbortHandler {
			t.Errorf("the server gets %v, want http.ErrAbortHandler", r)
		}
		if len(c.log.lines(t, "request:panic")) > 0 || len(c.log.lines(t, "request:end")) != 1 {
			t.Error("it is logged as a panic, or has no end")
		}
	}()
	c.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/orders/o1/ready", nil))
}
