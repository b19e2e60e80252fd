package httpapi

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/model"
)

// written is a canteen whose orders are put and deleted at their paths, as other aggregates are.
func written(t *testing.T, changes ...func(*Config)) *canteen {
	t.Helper()
	c := newCanteen(t, changes...)
	o := aggregate[order.State, order.Command]{
		rules: order.Rules, path: []param{pathID}, id: byID,
		tell:  func(r *command.Result[order.State]) any { return orderOutcomeOf(r) },
		where: func(r *command.Result[order.State]) string { return at("/written/", r.State.OrderID) },
	}
	var err error
	c.handler, err = serving(c.config, []route{
		execute(o, operation{id: "put", method: http.MethodPut, path: "/written/{id}"}, must(placeOrder),
			func(c *call, p *order.PlaceOrder) { p.OrderID = byID(c.Request) }),
		execute(o, operation{id: "delete", method: http.MethodDelete, path: "/written/{id}"}, may(cancelOrder), nil),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAggregatesArePutAndDeletedAtTheirPaths(t *testing.T) {
	t.Parallel()
	c := written(t)
	if a := c.send("PUT /written/o%E9%A3%9F", `{"total":780}`).want(t, 201, ""); a.Header.Get("Location") != "/written/o%E9%A3%9F" || a.field("orderId") != "o食" {
		t.Errorf("put: %v %s", a.Header, a.body)
	}
	if a := c.send("DELETE /written/o%E9%A3%9F", "").want(t, 200, ""); a.field("status") != "CANCELLED" || a.Header.Get("Location") != "" {
		t.Errorf("deleted: %v %s", a.Header, a.body)
	}
	if a := c.send("GET /written/o1", "").want(t, 405, codeMethod); a.Header.Get("Allow") != "PUT, DELETE" {
		t.Errorf("Allow %q", a.Header.Get("Allow"))
	}
	c.send("PUT /written/a%2Fb", `{"total":780}`).want(t, 400, codeInvalid)
}

func TestACommandOfAnotherAggregateIsNotRouted(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("a line became a command of an order")
		}
	}()
	execute(aggregate[order.State, order.Command]{}, operation{}, must(line), nil)
}

func TestACommandIsCompletedOnceAndFollowedUp(t *testing.T) {
	t.Parallel()
	completed, after := 0, []string{}
	refusal := error(nil)
	c := written(t, func(c *Config) {
		c.Complete = func(_ context.Context, c model.Command) (model.Command, error) {
			completed++
			if place, ok := c.(order.PlaceOrder); ok {
				if *place.Total == 1 {
					return nil, &order.Error{Code: order.CodeInvalidAmount, Detail: "no meal is so cheap"}
				}
				*place.Total += 20
			}
			return c, nil
		}
		c.After = func(_ context.Context, stream string, known []event.Event) ([]event.Event, error) {
			after = append(after, stream)
			return known, refusal
		}
	})
	c.send("PUT /written/o1", `{"total":1}`, "Idempotency-Key: k0").want(t, 422, order.CodeInvalidAmount)
	if a := c.send("PUT /written/o1", `{"total":780}`, "Idempotency-Key: k1").want(t, 201, ""); a.field("total") != 800.0 {
		t.Errorf("completed to %s", a.body)
	}
	c.send("PUT /written/o1", `{"total":780}`, "Idempotency-Key: k1").want(t, 201, "")
	refusal = fault.Unavailable(errors.New("the till is down"))
	c.send("DELETE /written/o1", "").want(t, 503, codeUnavailable)
	if completed != 3 || len(after) != 3 || after[2] != "order-o1" {
		t.Errorf("completed %d times, followed up %v", completed, after)
	}
}
