package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// guestOf begins a session, and returns its token.
func guestOf(t *testing.T, url string) string {
	t.Helper()
	status, text := askAs(t, http.MethodPost, url+"/session", "", "")
	wantStatus(t, "a session", status, text, http.StatusCreated)
	var session struct{ Token string }
	if err := json.Unmarshal([]byte(text), &session); err != nil {
		t.Fatal(err)
	}
	return session.Token
}

// ownOrders returns the ids of the orders that a caller sees, a page at a time.
func ownOrders(t *testing.T, url, token string) (ids []string) {
	t.Helper()
	for cursor := ""; ; {
		status, text := askAs(t, http.MethodGet, url+"/orders?limit=2"+cursor, token, "")
		wantStatus(t, "a list", status, text, http.StatusOK)
		var page struct {
			Orders []struct{ OrderID string }
			Next   string
		}
		if err := json.Unmarshal([]byte(text), &page); err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Orders {
			ids = append(ids, o.OrderID)
		}
		if page.Next == "" {
			return ids
		}
		cursor = "&cursor=" + page.Next
	}
}

// listedSoon waits until a caller sees these orders.
func listedSoon(t *testing.T, url, token string, want ...string) {
	t.Helper()
	var got []string
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if got = ownOrders(t, url, token); slices.Equal(got, want) {
			return
		}
	}
	t.Fatalf("listed are %v, want %v", got, want)
}

// A guest sees own orders, the newest first, and may hold only so much.
func TestAGuestListsOwnOrdersAndHoldsOnlySoMany(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	ok(t, "menu", "import", filepath.Join("..", "..", "events", "menu.csv"), "-d", dir)
	server := start(t, serving(dir, "--development-issuer", "--guest-open-orders", "3", "--guest-portions", "4")...)
	url, _ := server.addresses(t)
	operator := ok(t, "token", "--role", "operator", "-d", dir)
	today := time.Now().In(time.FixedZone("JST", 9*60*60)).Format(time.DateOnly)
	status, text := askAs(t, http.MethodPut, url+"/stock/"+today+"/curry", operator[:len(operator)-1], `{"portions":100}`)
	wantStatus(t, "portions", status, text, http.StatusCreated)

	ann, bob := guestOf(t, url), guestOf(t, url)
	order := func(who, id string, portions int) (int, string) {
		return askAs(t, http.MethodPost, url+"/orders", who, fmt.Sprintf(`{"orderId":%q,"lines":[{"productId":"curry","quantity":%d}]}`, id, portions))
	}
	status, text = order(ann, "a0", 5)
	wantStatus(t, "too many portions", status, text, http.StatusConflict)
	contains(t, text, "order/too-many-portions")
	for i := range 3 {
		status, text = order(ann, fmt.Sprint("a", i+1), 1)
		wantStatus(t, "an order", status, text, http.StatusCreated)
	}
	status, text = order(bob, "b1", 4)
	wantStatus(t, "another's order", status, text, http.StatusCreated)
	listedSoon(t, url, ann, "a3", "a2", "a1")
	listedSoon(t, url, bob, "b1")

	status, text = order(ann, "a4", 1)
	wantStatus(t, "too many orders", status, text, http.StatusConflict)
	contains(t, text, "order/too-many-open")
	status, text = askAs(t, http.MethodPost, url+"/orders/a2/cancel", ann, "")
	wantStatus(t, "a cancellation", status, text, http.StatusOK)
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if status, text = order(ann, "a4", 1); status == http.StatusCreated {
			break
		}
	}
	wantStatus(t, "an order after a cancellation", status, text, http.StatusCreated)
	listedSoon(t, url, ann, "a4", "a3", "a2", "a1")
	status, text = askAs(t, http.MethodGet, url+"/orders?status=CANCELLED", ann, "")
	wantStatus(t, "a list of the cancelled", status, text, http.StatusOK)
	contains(t, text, `"a2"`)
	server.stop()
	<-server.ended
}
