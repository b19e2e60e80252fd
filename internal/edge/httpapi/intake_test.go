package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"gakushoku/internal/edge/identity"
	"gakushoku/internal/event"
	"gakushoku/internal/observe"
)

func TestABodyWithTwoMeaningsIsRefused(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	for name, body := range map[string]string{
		"a key twice":               `{"orderId":"a1","total":1,"total":780}`,
		"a key twice, once escaped": `{"orderId":"a1","total":1,"tot\u0061l":780}`,
		"a line's key twice":        `{"orderId":"a1","lines":[{"product":"x","quantity":1,"unitPrice":1,"unitPrice":999}]}`,
		"half a character":          `{"orderId":"a\ud800","total":1}`,
		"half a character within":   `{"orderId":"a1","lines":[{"product":"p\udc00","quantity":1,"unitPrice":1}]}`,
		"a surrogate in UTF-8":      "{\"orderId\":\"a\xed\xa0\x80\",\"total\":1}",
	} {
		a := c.send("POST /orders", body)
		if detail, _ := a.field("detail").(string); a.StatusCode != 400 || a.field("code") != "request/malformed" || !strings.Contains(detail, "byte ") {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
	}
	c.send("POST /orders", `{"orderId":"a1","total":1}`).want(t, 201, "")
	c.send("POST /orders/a1/cancel", `{"reason":"x","reason":"y"}`).want(t, 400, "request/malformed")
	c.send("POST /orders/a1/ready", `{"x":1,"x":1}`).want(t, 400, "request/malformed")
}

func TestAnOrderIdThatCannotBeToldApartIsRefused(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	for _, id := range []string{".", "..", "cafe\u0301", "a\u202eb", "a\u3164"} {
		c.send("POST /orders", fmt.Sprintf(`{"orderId":%q,"total":1}`, id)).want(t, 422, "order/invalid-id")
	}
}

func TestAPointerNamesTheLine(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	const good = `{"product":"x","quantity":1,"unitPrice":1}`
	for body, want := range map[string]string{
		`{"lines":[` + good + `,{"product":"y","quantity":2.0,"unitPrice":1}]}`:                        "/lines/1/quantity",
		`{"lines":[{"quantity":1,"product":"{[\"","unitPrice":1e2}]}`:                                  "/lines/0/unitPrice",
		`{"lines":[` + good + `],"total":780.0}`:                                                       "/total",
		`{"lines":[` + strings.Repeat(good+",", 11) + `{"product":"y","quantity":2,"unitPrice":1.0}]}`: "/lines/11/unitPrice",
	} {
		a := c.send("POST /orders", body).want(t, 400, "request/invalid")
		if !strings.Contains(a.body, `"name":"`+want+`"`) {
			t.Errorf("%s\n%s\nwant %s", body, a.body, want)
		}
	}
}

// cutOff is a body that breaks off.
type cutOff struct{ err error }

func (c cutOff) Read([]byte) (int, error) { return 0, c.err }

func TestABodyThatDoesNotComeIsTheClients(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err    error
		status int
		code   string
	}{
		"cut off":  {io.ErrUnexpectedEOF, 400, "request/malformed"},
		"reset":    {errors.New("read tcp: connection reset by peer"), 400, "request/malformed"},
		"too slow": {fmt.Errorf("read tcp: %w", os.ErrDeadlineExceeded), 408, "request/timeout"},
	} {
		for _, left := range []bool{false, true} {
			c := newCanteen(t)
			ctx, leave := context.WithCancel(t.Context())
			r := httptest.NewRequestWithContext(ctx, "POST", "/orders", cutOff{test.err})
			r.Header.Set("Content-Type", "application/json")
			if left {
				leave() // net/http says so as soon as it sees the connection's end
			}
			a := c.do(r)
			leave()
			if a.StatusCode != test.status || a.field("code") != test.code || a.Header.Get("Retry-After") != "" {
				t.Errorf("%s, client left %t: %d %v %s", name, left, a.StatusCode, a.Header, a.body)
			}
			if end := c.log.lines(t, "request:end")[0]; end["errorClass"] != "domain" || end["level"] != "info" {
				t.Errorf("%s, client left %t: %v", name, left, end)
			}
		}
	}
}

// leaving is an event store whose caller's client leaves meanwhile.
type leaving struct {
	Streams
	leave context.CancelFunc
}

// Streams is what commands and queries need.
type Streams interface {
	Append(context.Context, string, uint64, []event.Event) error
	Load(context.Context, string, uint64) ([]event.Event, error)
}

func (l leaving) Load(ctx context.Context, stream string, after uint64) ([]event.Event, error) {
	l.leave()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return l.Streams.Load(ctx, stream, after)
}

func TestARequestIsCarriedOutThoughItsClientLeaves(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	ctx, leave := context.WithCancel(t.Context())
	c.config.Commands.Streams = leaving{c.events, leave}
	c.queries.Streams = leaving{c.events, leave}
	command := httptest.NewRequestWithContext(ctx, "POST", "/orders", strings.NewReader(`{"orderId":"o1","total":1}`))
	command.Header.Set("Content-Type", "application/json")
	c.do(command).want(t, 201, "") // it is carried out to its end
	c.project()
	for _, path := range []string{"/orders/o1/events", "/orders/o1", "/orders", "/sales/2026-01-24", "/health"} {
		c.do(httptest.NewRequestWithContext(ctx, "GET", path, nil)).want(t, 200, "") // it may only have closed its side
	}
	for _, end := range c.log.lines(t, "request:end") {
		if class := end["errorClass"]; class != nil && class != "domain" {
			t.Errorf("request:end %v", end)
		}
	}
}

func TestAWrongKeyIsRefused(t *testing.T) {
	t.Parallel()
	c := newCanteen(t, func(c *Config) {
		c.Identify = func(r *http.Request) (observe.Caller, error) {
			if r.Header.Get("x-api-key") == "wrong" {
				return observe.Caller{}, identity.ErrWrongKey
			}
			return observe.Caller{Scopes: observe.EveryScope}, nil
		}
	})
	for _, request := range []string{"GET /orders", "GET /orders/o1", "POST /orders/o1/ready", "GET /sales/2026-01-24"} {
		a := c.send(request, "", "x-api-key: wrong").want(t, 401, "request/wrong-api-key")
		if a.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no WWW-Authenticate", request)
		}
	}
	c.send("POST /orders", `{"orderId":"o1","total":1}`, "x-api-key: wrong").want(t, 401, "request/wrong-api-key")
	c.send("GET /orders/o1/events", "").want(t, 404, "order/not-found")
	c.send("GET /health/live", "", "x-api-key: wrong").want(t, 200, "")
}
