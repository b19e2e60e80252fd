package httpapi

import (
	"fmt"
	"strings"
	"testing"

	"gakushoku/internal/engine/eventstore"
)

func TestRequestsThatDoNotKeepToTheContract(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	c.send("POST /orders", `{"orderId":"o1","total":780}`).want(t, 201, "")
	deep := strings.Repeat("[", 30_000)
	for _, test := range []struct {
		name, request, body string
		headers             []string
		status              int
		code, says          string
	}{
		{"no body", "POST /orders", "", nil, 400, "request/invalid", "body: required"},
		{"blank body", "POST /orders", " \n", nil, 400, "request/invalid", "body: required"},
		{"broken JSON", "POST /orders", `{"total":`, nil, 400, "request/malformed", "byte 10"},
		{"not JSON", "POST /orders", `total=780`, nil, 400, "request/malformed", "byte 1"},
		{"two values", "POST /orders", `{"total":780}{"total":1}`, nil, 400, "request/malformed", "byte 14: expected nothing after the value"},
		{"not UTF-8", "POST /orders", "{\"orderId\":\"\xff\"}", nil, 400, "request/malformed", "UTF-8"},
		{"a tower of brackets", "POST /orders", deep, nil, 400, "request/malformed", "nest deeper"},
		{"an array", "POST /orders", `[]`, nil, 400, "request/invalid", "object"},
		{"null", "POST /orders", `null`, nil, 400, "request/invalid", "body"},
		{"unknown member", "POST /orders", `{"total":780,"tip":1}`, nil, 400, "request/invalid", `tip`},
		{"member in other case", "POST /orders", `{"Total":780}`, nil, 400, "request/invalid", `Total`},
		{"text for a number", "POST /orders", `{"total":"780"}`, nil, 400, "request/invalid", "body /total: "},
		{"null for a number", "POST /orders", `{"total":null}`, nil, 400, "request/invalid", "/total"},
		{"a fraction", "POST /orders", `{"total":780.5}`, nil, 400, "request/invalid", "/total"},
		{"a whole number with decimals", "POST /orders", `{"total":780.0}`, nil, 400, "request/invalid", "/total"},
		{"beyond 64 bits", "POST /orders", `{"total":9223372036854775808}`, nil, 400, "request/invalid", "/total"},
		{"beyond floating point", "POST /orders", `{"total":1e999}`, nil, 400, "request/", ""},
		{"several places", "POST /orders", `{"lines":[{"product":1,"quantity":"x","unitPrice":2}]}`, nil, 400, "request/invalid", "/lines/0/quantity"},
		{"empty id", "POST /orders", `{"orderId":"","total":1}`, nil, 400, "request/invalid", "/orderId"},
		{"payment method unknown", "POST /orders/o1/pay", `{"paymentMethod":"SHELLS"}`, nil, 400, "request/invalid", "/paymentMethod"},
		{"payment method missing", "POST /orders/o1/pay", `{}`, nil, 400, "request/invalid", "paymentMethod"},
		{"a body where there is none", "POST /orders/o1/ready", `{"now":true}`, nil, 400, "request/invalid", "now"},
		{"too large", "POST /orders", `{"orderId":"` + strings.Repeat("x", 64<<10) + `"}`, nil, 413, "request/too-large", "65536"},
		{"no media type", "POST /orders", `{"total":1}`, []string{"Content-Type: "}, 415, "request/unsupported-media-type", "application/json"},
		{"a form", "POST /orders", `total=1`, []string{"Content-Type: application/x-www-form-urlencoded"}, 415, "request/unsupported-media-type", ""},
		{"two media types", "POST /orders", `{"total":1}`, []string{"Content-Type: application/json", "content-type: text/plain"}, 400, "request/invalid", "only once"},
		{"two encodings", "POST /orders", `{"total":1}`, []string{"Content-Encoding: identity", "content-encoding: gzip"}, 415, "request/unsupported-media-type", ""},
		{"another charset", "POST /orders", `{"total":1}`, []string{"Content-Type: application/json; charset=shift_jis"}, 415, "request/unsupported-media-type", ""},
		{"compressed", "POST /orders", `{"total":1}`, []string{"Content-Encoding: gzip"}, 415, "request/unsupported-media-type", ""},
		{"key too long", "POST /orders", `{"total":1}`, []string{"Idempotency-Key: " + strings.Repeat("k", 129)}, 400, "request/invalid", "header Idempotency-Key"},
		{"key with a space", "POST /orders", `{"total":1}`, []string{"Idempotency-Key: a b"}, 400, "request/invalid", "header Idempotency-Key"},
		{"key empty", "POST /orders", `{"total":1}`, []string{"Idempotency-Key: "}, 400, "request/invalid", "header Idempotency-Key"},
		{"two keys", "POST /orders", `{"total":1}`, []string{"Idempotency-Key: a", "Idempotency-Key: b"}, 400, "request/invalid", "only once"},
		{"id too long", "GET /orders/" + strings.Repeat("x", 129), "", nil, 400, "request/invalid", "path id"},
		{"id with a space", "GET /orders/a%20b", "", nil, 400, "request/invalid", "path id"},
		{"id with a slash", "GET /orders/a%2Fb", "", nil, 400, "request/invalid", "path id"},
		{"min version not a number", "GET /orders/o1", "", []string{"If-Min-Version: two"}, 400, "request/invalid", "header If-Min-Version"},
		{"min version negative", "GET /orders/o1", "", []string{"If-Min-Version: -1"}, 400, "request/invalid", "header If-Min-Version"},
		{"min version too large", "GET /orders/o1?minVersion=9223372036854775808", "", nil, 400, "request/invalid", "query minVersion"},
		{"min version spelled oddly", "GET /orders/o1?minVersion=%2B1", "", nil, 400, "request/invalid", "query minVersion"},
		{"unknown parameter", "GET /orders?staus=PAID", "", nil, 400, "request/invalid", "query staus: unknown parameter"},
		{"parameter twice", "GET /orders?limit=1&limit=2", "", nil, 400, "request/invalid", "only once"},
		{"query not readable", "GET /orders?status=%zz", "", nil, 400, "request/invalid", "query"},
		{"status unknown", "GET /orders?status=LOST", "", nil, 400, "request/invalid", "query status"},
		{"limit 0", "GET /orders?limit=0", "", nil, 400, "request/invalid", "query limit"},
		{"limit 101", "GET /orders?limit=101", "", nil, 400, "request/invalid", "query limit"},
		{"limit in words", "GET /orders?limit=ten", "", nil, 400, "request/invalid", "query limit: must be a whole number, written in digits"},
		{"limit empty", "GET /orders?limit=", "", nil, 400, "request/invalid", "query limit: must not be empty"},
		{"day not a day", "GET /orders?day=2026-02-30", "", nil, 400, "query/invalid-day", "2026-02-30"},
		{"day in words", "GET /sales/today", "", nil, 400, "request/invalid", "path day: must be a day such as 2026-01-24"},
		{"sales of no day", "GET /sales/2026-13-01", "", nil, 400, "query/invalid-day", ""},
		{"cursor made up", "GET /orders?cursor=abc", "", nil, 400, "query/invalid-cursor", "start again"},
		{"cursor not base64", "GET /orders?cursor=%3D%3D", "", nil, 400, "query/invalid-cursor", ""},
		{"cursor too long", "GET /orders?cursor=" + strings.Repeat("a", 1025), "", nil, 400, "request/invalid", "query cursor"},
		{"no such path", "GET /carte", "", nil, 404, "request/no-such-path", "/openapi.json"},
		{"trailing slash", "GET /orders/", "", nil, 404, "request/no-such-path", ""},
		{"double slash", "GET //orders", "", nil, 404, "request/no-such-path", ""},
		{"dots", "GET /orders/../orders", "", nil, 404, "request/no-such-path", ""},
		{"method", "DELETE /orders", "", nil, 405, "request/method-not-allowed", "GET, HEAD, POST"},
		{"method of a command", "GET /orders/o1/pay", "", nil, 405, "request/method-not-allowed", "POST"},
		{"odd method", "FROB /sales/2026-01-24", "", nil, 405, "request/method-not-allowed", "GET, HEAD"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := c.send(test.request, test.body, test.headers...)
			code, _ := a.field("code").(string)
			detail, _ := a.field("detail").(string)
			if a.StatusCode != test.status || !strings.HasPrefix(code, test.code) || !strings.Contains(detail, test.says) {
				t.Errorf("got %d %s %q, want %d %s %q", a.StatusCode, code, detail, test.status, test.code, test.says)
			}
			if test.status == 405 && a.Header.Get("Allow") != test.says {
				t.Errorf("Allow %q, want %q", a.Header.Get("Allow"), test.says)
			}
		})
	}
	if names, _, _ := c.events.Streams(t.Context(), eventstore.All, "", 10); len(names) != 1 {
		t.Errorf("a refused request has left an event: %q", names)
	}
}

func TestAHostileCorrelationIDIsReplaced(t *testing.T) {
	t.Parallel()
	for name, hostile := range map[string][]string{
		"too long":           {strings.Repeat("x", 129)},
		"newline":            {"a\r\n{\"level\":\"error\"}"},
		"control characters": {"a\x1b[31m\x00b"},
		"empty":              {""},
		"not ASCII":          {"相関"},
		"two of them":        {"a", "b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCanteen(t)
			var headers []string
			for _, h := range hostile {
				headers = append(headers, "x-correlation-id: "+h)
			}
			a := c.send("POST /orders", `{"orderId":"o1","total":780}`, headers...).want(t, 201, "")
			id := a.Header.Get("x-correlation-id")
			events, _ := c.events.Load(t.Context(), "order-o1", 0)
			if id == hostile[0] || events[0].CorrelationID != id {
				t.Errorf("response %q, event %q", id, events[0].CorrelationID)
			}
			lines := c.log.lines(t, "request:correlation-id-replaced")
			if len(lines) != 1 || lines[0]["correlationId"] != id {
				t.Fatalf("the replacement was not logged: %v", lines)
			}
			if received := fmt.Sprint(lines[0]["received"]); strings.ContainsAny(received, "\r\n\x1b\x00") || len(received) > 400 {
				t.Errorf("the log echoes %q", received)
			}
		})
	}
}

func TestAGoodCorrelationIDIsKept(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	a := c.send("POST /orders", `{"orderId":"o1","total":780}`, "x-correlation-id: till-3:0017",
		"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").want(t, 201, "")
	events, _ := c.events.Load(t.Context(), "order-o1", 0)
	if a.Header.Get("x-correlation-id") != "till-3:0017" || events[0].CorrelationID != "till-3:0017" {
		t.Errorf("response %q, event %q", a.Header.Get("x-correlation-id"), events[0].CorrelationID)
	}
	if !strings.HasPrefix(events[0].Traceparent, "00-4bf92f3577b34da6a3ce929d0e0e4736-") {
		t.Errorf("traceparent %q", events[0].Traceparent)
	}
	for _, message := range []string{"request:start", "command:start", "command:success", "request:end"} {
		lines := c.log.lines(t, message)
		if len(lines) != 1 || lines[0]["correlationId"] != "till-3:0017" || lines[0]["trace_id"] != "4bf92f3577b34da6a3ce929d0e0e4736" {
			t.Errorf("%s: %v", message, lines)
		}
	}
	end := c.log.lines(t, "request:end")[0]
	if end["status"] != 201.0 || end["result"] != "OK" || end["method"] != "POST" || end["path"] != "/orders" || end["durationMs"] == nil {
		t.Errorf("request:end %v", end)
	}
}
