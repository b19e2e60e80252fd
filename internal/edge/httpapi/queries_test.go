package httpapi

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhoHasPaidSeesIt(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	c.send("POST /orders", `{"orderId":"o1","total":780}`).want(t, 201, "")
	c.send("GET /orders/o1", "").want(t, 404, "order/not-found") // not projected yet
	if a := c.send("GET /orders/o1", "", "If-Min-Version: 1").want(t, 200, ""); a.field("status") != "ORDERED" || a.Header.Get("ETag") != `"1"` {
		t.Errorf("unexpected: %s", a.body)
	}
	c.project()
	c.send("POST /orders/o1/pay", `{"paymentMethod":"CARD"}`).want(t, 200, "")
	if a := c.send("GET /orders/o1", "").want(t, 200, ""); a.field("status") != "ORDERED" {
		t.Errorf("the read model was expected to be behind: %s", a.body)
	}
	for _, ask := range []struct{ path, header string }{
		{"/orders/o1", "If-Min-Version: 2"}, {"/orders/o1?minVersion=2", "x: y"}, {"/orders/o1?minVersion=2", "If-Min-Version: 1"},
	} {
		a := c.send("GET "+ask.path, "", ask.header).want(t, 200, "")
		if a.field("status") != "PAID" || a.field("version") != 2.0 || a.Header.Get("ETag") != `"2"` {
			t.Errorf("%v: %s", ask, a.body)
		}
	}
	c.send("GET /orders/o1", "", "If-Min-Version: 3").want(t, 412, "order/version-not-reached")
	c.send("GET /orders/o9", "", "If-Min-Version: 1").want(t, 404, "order/not-found")
	c.send("GET /orders/o9/events", "").want(t, 404, "order/not-found")
}

func TestAnUnchangedOrderIsNotSentAgain(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	c.send("POST /orders", `{"orderId":"o1","total":780}`).want(t, 201, "")
	c.project()
	if a := c.send("GET /orders/o1", "", `If-None-Match: "1"`); a.StatusCode != 304 || a.body != "" || a.Header.Get("ETag") != `"1"` {
		t.Errorf("got %d %q", a.StatusCode, a.body)
	}
	c.send("GET /orders/o1", "", `If-None-Match: "2"`).want(t, 200, "")
	if a := c.send("HEAD /orders/o1", ""); a.StatusCode != 200 || a.Header.Get("ETag") != `"1"` {
		t.Errorf("HEAD: got %d", a.StatusCode)
	}
}

func TestListsAreCompleteAndInOrder(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	var want, paid []string
	for i := range 25 {
		id := fmt.Sprintf("o%02d", i)
		c.send("POST /orders", fmt.Sprintf(`{"orderId":%q,"total":%d}`, id, 100+i)).want(t, 201, "")
		want = append([]string{id}, want...)
		if i%3 == 0 {
			c.send("POST /orders/"+id+"/pay", `{"paymentMethod":"CASH"}`).want(t, 200, "")
			paid = append([]string{id}, paid...)
		}
	}
	c.project()
	for _, test := range []struct {
		query string
		want  []string
	}{
		{"limit=1", want}, {"limit=7", want}, {"limit=25", want}, {"limit=100", want}, {"", want},
		{"limit=2&status=PAID", paid}, {"limit=9&status=PAID", paid}, {"status=PAID&day=2026-01-24", paid},
		{"status=READY", nil}, {"day=2026-01-24&limit=3", want}, {"day=2026-01-23", nil},
	} {
		t.Run(test.query, func(t *testing.T) {
			if diff := cmp.Diff(test.want, c.walk(t, test.query)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// walk follows a list to its end.
func (c *canteen) walk(t *testing.T, query string) []string {
	t.Helper()
	var ids []string
	cursor := ""
	for range 100 {
		path := "/orders?" + query
		if cursor != "" {
			path += "&cursor=" + url.QueryEscape(cursor)
		}
		a := c.send("GET "+path, "").want(t, 200, "")
		for _, o := range a.field("orders").([]any) {
			ids = append(ids, o.(map[string]any)["orderId"].(string))
		}
		next, ok := a.field("next").(string)
		if !ok {
			return ids
		}
		cursor = next
	}
	t.Fatal("the list does not end")
	return nil
}

func TestAnEmptyCanteenAnswers(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	if a := c.send("GET /orders", "").want(t, 200, ""); a.body != "{\"orders\":[]}\n" {
		t.Errorf("list %q", a.body)
	}
	c.send("GET /sales/2026-01-24", "").want(t, 200, "")
	c.send("GET /orders/o1", "").want(t, 404, "order/not-found")
}
