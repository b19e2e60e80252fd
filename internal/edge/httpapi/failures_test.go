package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/eventstore"
	"gakushoku/internal/event"
	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
	"gakushoku/internal/observe/observetest"
	"gakushoku/internal/operate/health"
)

// brokenStreams is an event store in trouble.
type brokenStreams struct{ err error }

func (s brokenStreams) Append(context.Context, string, uint64, []event.Event) error { return s.err }

func (s brokenStreams) Load(context.Context, string, uint64) ([]event.Event, error) {
	if s.err == nil {
		panic("secret: a nil pointer at table prod-events")
	}
	return nil, s.err
}

func brokenBy(err error) func(*Config) {
	return func(c *Config) {
		c.Commands = &command.Handler{Streams: brokenStreams{err}, Now: c.Now, NewID: observe.NewID}
	}
}

func TestFailuresTellNothingInternal(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err        error
		status     int
		code       string
		retryAfter string
		class      string
	}{
		"store down":      {fault.Unavailable(errors.New("secret: dial tcp 10.0.0.7")), 503, "service/unavailable", "1", "infra"},
		"store throttled": {fault.UnavailableFor(errors.New("secret: throttled"), 2500*time.Millisecond), 503, "service/unavailable", "3", "infra"},
		"client gone":     {context.Canceled, 503, "service/unavailable", "1", "infra"},
		"defect":          {errors.New("secret: index out of range"), 500, "service/internal-error", "", "bug"},
		"too large":       {eventstore.ErrTooLarge, 413, "request/too-large", "", "bug"},
		"panic":           {nil, 500, "service/internal-error", "", "bug"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCanteen(t, brokenBy(test.err))
			a := c.send("POST /orders", `{"orderId":"o1","total":780}`, "x-correlation-id: c-7").want(t, test.status, test.code)
			if a.Header.Get("Retry-After") != test.retryAfter || a.Header.Get("x-correlation-id") != "c-7" {
				t.Errorf("headers %v", a.Header)
			}
			if strings.Contains(a.body, "secret") {
				t.Errorf("internal text in the body: %s", a.body)
			}
			end := c.log.lines(t, "request:end")[0]
			if end["errorClass"] != test.class || end["result"] != "NG" || end["error"] == nil {
				t.Errorf("request:end %v", end)
			}
			if panics := c.log.lines(t, "request:panic"); (test.err == nil) != (len(panics) == 1) {
				t.Errorf("request:panic %v", panics)
			}
		})
	}
}

func TestARefusalIsNotAnErrorOfOurs(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	c.send("POST /orders/o9/pay", `{"paymentMethod":"CARD"}`).want(t, 404, "order/not-found")
	end := c.log.lines(t, "request:end")[0]
	if end["errorClass"] != "domain" || end["level"] != "info" || end["code"] != "order/not-found" || end["error"] != nil {
		t.Errorf("request:end %v", end)
	}
}

func TestTheCallerBecomesTheActor(t *testing.T) {
	t.Parallel()
	c := newCanteen(t, func(c *Config) {
		c.Identify = func(r *http.Request) (observe.Caller, error) {
			return observe.Caller{Name: "key-" + r.Header.Get("x-api-key"), Scopes: observe.EveryScope}, nil
		}
	})
	a := c.send("POST /orders", `{"total":780}`, "x-api-key: till", "Idempotency-Key: k").want(t, 201, "")
	b := c.send("POST /orders", `{"total":780}`, "x-api-key: web", "Idempotency-Key: k").want(t, 201, "")
	if a.field("orderId") == b.field("orderId") {
		t.Error("two callers' keys have met")
	}
	c.send("POST /orders", `{"orderId":"o1","total":780}`, "x-api-key: till", "Idempotency-Key: k1").want(t, 201, "")
	c.send("POST /orders", `{"orderId":"o1","total":780}`, "x-api-key: web", "Idempotency-Key: k1").want(t, 409, "order/already-exists")
	c.send("POST /orders/o1/pay", `{"paymentMethod":"CARD"}`, "x-api-key: till", "Idempotency-Key: k2").want(t, 200, "")
	c.send("POST /orders/o1/pay", `{"paymentMethod":"CARD"}`, "x-api-key: web", "Idempotency-Key: k2").want(t, 409, "order/already-paid")
	c.send("POST /orders/o1/pay", `{"paymentMethod":"CARD"}`, "x-api-key: till", "Idempotency-Key: k2").want(t, 200, "")
	events, _ := c.events.Load(t.Context(), order.Stream(a.field("orderId").(string)), 0)
	if events[0].Actor != "key-till" {
		t.Errorf("actor %q", events[0].Actor)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	for _, path := range []string{"/health", "/health/ready"} {
		if a := c.send("GET "+path, "").want(t, 200, ""); a.field("status") != "ok" {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	sick := newCanteen(t, func(c *Config) {
		c.Health = &health.Checker{Now: c.Now, Probes: []health.Probe{health.EventStore(brokenStreams{errors.New("secret")})}}
	})
	a := sick.send("GET /health/ready", "").want(t, 503, "")
	if a.field("status") != "failing" || a.Header.Get("Retry-After") == "" || strings.Contains(a.body, "secret") {
		t.Errorf("%v %s", a.Header, a.body)
	}
	sick.send("GET /health/live", "").want(t, 200, "")
}

// A load balancer asks every few seconds: a planned stop must not look like a fault, nor set off an
// alarm that counts errors of the server.
func TestAPlannedStopIsNoFailure(t *testing.T) {
	t.Parallel()
	for _, planned := range []bool{true, false} {
		metrics, text := observetest.Metrics(t)
		c := newCanteen(t, func(c *Config) {
			c.Metrics = metrics
			c.Health = &health.Checker{Now: c.Now, Probes: []health.Probe{health.Serving(func() bool { return true })}}
			if !planned {
				c.Health.Probes = append(c.Health.Probes, health.EventStore(brokenStreams{errors.New("broken")}))
			}
		})
		c.send("GET /health/ready", "").want(t, 503, "")
		log := c.log.raw.String()
		if quiet := !strings.Contains(log, `"level":"error"`) && !strings.Contains(log, `"infra"`) && !strings.Contains(text(), `"503"`); quiet != planned {
			t.Errorf("planned %v:\n%s%s", planned, log, text())
		}
	}
}

func TestTheContractIsServed(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	if a := c.send("GET /openapi.json", "").want(t, 200, ""); a.field("openapi") != "3.0.3" {
		t.Errorf("unexpected document: %.100s", a.body)
	}
}

func TestPartsAreServedAlone(t *testing.T) {
	t.Parallel()
	full := newCanteen(t).config
	for name, test := range map[string]struct {
		config        Config
		serves, lacks string
	}{
		"commands": {Config{Parts: PartCommands, Commands: full.Commands}, "POST /orders/x/ready", "GET /orders"},
		"queries":  {Config{Parts: PartQueries, Queries: full.Queries}, "GET /orders", "POST /orders"},
		"health":   {Config{Parts: PartHealth, Health: full.Health}, "GET /health", "GET /orders"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCanteen(t)
			var err error
			if c.handler, err = New(test.config); err != nil {
				t.Fatal(err)
			}
			if a := c.send(test.serves, ""); a.field("code") == codeNoRoute || a.field("code") == codeMethod {
				t.Errorf("%s: %d %s", test.serves, a.StatusCode, a.body)
			}
			r, _ := http.NewRequestWithContext(t.Context(), strings.Fields(test.lacks)[0], strings.Fields(test.lacks)[1], nil)
			if p := serveProblem(c.handler, r); p != codeNoRoute && p != codeMethod {
				t.Errorf("%s: %s", test.lacks, p)
			}
		})
	}
	if _, err := New(Config{Parts: PartQueries}); err == nil {
		t.Error("queries without a service were accepted")
	}
}
