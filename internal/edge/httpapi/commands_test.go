package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"gakushoku/internal/canteen/order"
	"gakushoku/internal/engine/eventstore"
)

func TestAnOrderGoesThroughItsLife(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	a := c.send("POST /orders", `{"lines":[{"product":"カツカレー","quantity":2,"unitPrice":330},{"product":"茶","quantity":1,"unitPrice":120}],"orderId":"注文-1"}`).want(t, 201, "")
	if got, want := a.Header.Get("Location"), "/orders/%E6%B3%A8%E6%96%87-1"; got != want {
		t.Errorf("Location %s, want %s", got, want)
	}
	if a.Header.Get("ETag") != `"1"` || a.field("total") != 780.0 || a.field("status") != "ORDERED" || a.field("version") != 1.0 {
		t.Errorf("unexpected answer: %v %s", a.Header, a.body)
	}
	path := a.Header.Get("Location")
	for i, step := range []struct{ action, body, status string }{
		{"pay", `{"paymentMethod":"CASH"}`, "PAID"}, {"prepare", "", "PREPARING"}, {"ready", "{}", "READY"}, {"pickup", "", "PICKED_UP"},
	} {
		a := c.send("POST "+path+"/"+step.action, step.body).want(t, 200, "")
		if a.field("status") != step.status || a.Header.Get("ETag") != fmt.Sprintf(`"%d"`, i+2) || a.field("paymentMethod") != "CASH" {
			t.Errorf("%s: %v %s", step.action, a.Header, a.body)
		}
	}
	c.project()
	a = c.send("GET "+path, "").want(t, 200, "")
	if a.field("status") != "PICKED_UP" || a.field("version") != 5.0 || a.field("orderId") != "注文-1" {
		t.Errorf("unexpected order: %s", a.body)
	}
	a = c.send("GET "+path+"/events", "").want(t, 200, "")
	if events, _ := a.field("events").([]any); len(events) != 5 {
		t.Errorf("unexpected history: %s", a.body)
	}
}

func TestACancelledPaidOrderIsRefunded(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	c.send("POST /orders", `{"orderId":"o1","total":780}`).want(t, 201, "")
	c.send("POST /orders/o1/pay", `{"paymentMethod":"CARD"}`).want(t, 200, "")
	a := c.send("POST /orders/o1/cancel", `{"reason":"sold out"}`).want(t, 200, "")
	if ids, _ := a.field("eventIds").([]any); len(ids) != 2 || a.field("version") != 4.0 {
		t.Errorf("a cancellation and a refund were expected: %s", a.body)
	}
	c.project()
	a = c.send("GET /sales/2026-01-24", "").want(t, 200, "")
	if want := `{"day":"2026-01-24","orders":1,"paid":1,"cancelled":1,"rejected":0,"refunded":1,"revenue":{"CARD":780,"CASH":0},"refunds":{"CARD":780,"CASH":0}}`; strings.TrimSpace(a.body) != want {
		t.Errorf("sales %s, want %s", a.body, want)
	}
}

func TestTheRulesRefuse(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	c.send("POST /orders", `{"orderId":"o1","total":780}`).want(t, 201, "")
	c.send("POST /orders", `{"orderId":"paid","total":780}`).want(t, 201, "")
	c.send("POST /orders/paid/pay", `{"paymentMethod":"CARD"}`).want(t, 200, "")
	for _, test := range []struct {
		request, body string
		status        int
		code          string
	}{
		{"POST /orders", `{"orderId":"o1","total":780}`, 409, "order/already-exists"},
		{"POST /orders", `{}`, 422, "order/invalid-lines"},
		{"POST /orders", `{"total":0}`, 422, "order/invalid-amount"},
		{"POST /orders", `{"total":-5}`, 422, "order/invalid-amount"},
		{"POST /orders", `{"total":1000001}`, 422, "order/invalid-amount"},
		{"POST /orders", `{"total":9223372036854775807}`, 422, "order/invalid-amount"},
		{"POST /orders", `{"total":1,"lines":[{"product":"x","quantity":1,"unitPrice":2}]}`, 422, "order/total-mismatch"},
		{"POST /orders", `{"lines":[{"product":"x","quantity":0,"unitPrice":2}]}`, 422, "order/invalid-lines"},
		{"POST /orders", `{"orderId":"a b","total":1}`, 422, "order/invalid-id"},
		{"POST /orders", `{"orderId":"` + strings.Repeat("注", 100) + `","total":1}`, 422, "order/invalid-id"},
		{"POST /orders/o9/pay", `{"paymentMethod":"CARD"}`, 404, "order/not-found"},
		{"POST /orders/paid/pay", `{"paymentMethod":"CARD"}`, 409, "order/already-paid"},
		{"POST /orders/o1/prepare", ``, 409, "order/not-paid"},
		{"POST /orders/o1/ready", ``, 409, "order/not-preparing"},
		{"POST /orders/o1/pickup", ``, 409, "order/not-ready"},
		{"POST /orders/o1/cancel", `{"reason":"` + strings.Repeat("x", 201) + `"}`, 422, "order/invalid-reason"},
	} {
		t.Run(test.request+" "+test.code, func(t *testing.T) {
			c.send(test.request, test.body).want(t, test.status, test.code)
		})
	}
}

func TestARepeatedCommandGetsTheFirstAnswer(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	key := "Idempotency-Key: k-1"
	first := c.send("POST /orders", `{"total":780}`, key).want(t, 201, "")
	id := first.field("orderId").(string)
	c.send("POST /orders/"+id+"/pay", `{"paymentMethod":"CARD"}`).want(t, 200, "")
	again := c.send("POST /orders", "{ \"total\" :780 }\n", key).want(t, 201, "")
	if again.body != first.body || again.Header.Get("Location") != first.Header.Get("Location") || again.Header.Get("ETag") != `"1"` {
		t.Errorf("first %s\nagain %s", first.body, again.body)
	}
	if first.Header.Get(headerReplayed) != "" || again.Header.Get(headerReplayed) != "true" {
		t.Error("only the second answer may be marked as replayed")
	}
	c.send("POST /orders", `{"total":781}`, key).want(t, 422, "command/idempotency-key-reused")
	c.send("POST /orders/"+id+"/prepare", "", key).want(t, 422, "command/idempotency-key-reused")
	if events, _ := c.events.Load(t.Context(), order.Stream(id), 0); len(events) != 2 {
		t.Errorf("%d events, want 2", len(events))
	}
}

func TestTheSameKeyAtOnceIsOneEvent(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	const clients = 16
	answers := make([]answer, clients)
	var running sync.WaitGroup
	for i := range clients {
		running.Go(func() { answers[i] = c.send("POST /orders", `{"total":780}`, "Idempotency-Key: same") })
	}
	running.Wait()
	replayed := 0
	for _, a := range answers {
		a.want(t, 201, "")
		if a.body != answers[0].body {
			t.Errorf("answers differ: %s and %s", a.body, answers[0].body)
		}
		if a.Header.Get(headerReplayed) == "true" {
			replayed++
		}
	}
	if replayed != clients-1 {
		t.Errorf("%d were replayed, want %d", replayed, clients-1)
	}
	if names, _, _ := c.events.Streams(t.Context(), eventstore.All, "", 10); len(names) != 1 {
		t.Errorf("%d streams, want 1", len(names))
	}
}

func TestTwoTillsPayOneOrder(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	c.send("POST /orders", `{"orderId":"o1","total":780}`).want(t, 201, "")
	const tills = 8
	statuses := make([]int, tills)
	var running sync.WaitGroup
	for i := range tills {
		running.Go(func() { statuses[i] = c.send("POST /orders/o1/pay", `{"paymentMethod":"CARD"}`).StatusCode })
	}
	running.Wait()
	count := map[int]int{}
	for _, s := range statuses {
		count[s]++
	}
	if count[http.StatusOK] != 1 || count[http.StatusConflict] != tills-1 {
		t.Errorf("statuses %v, want one 200 and the others 409", count)
	}
}
