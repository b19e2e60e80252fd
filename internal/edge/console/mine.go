package console

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

const (
	mineCookie = "gakushoku-orders"
	mineLimit  = 10
)

// myOrders returns the ids of the orders that this browser has placed, newest first. Whether it may see them is
// decided by the session, not by this list.
func myOrders(r *http.Request) []string {
	c, err := r.Cookie(mineCookie)
	if err != nil {
		return nil
	}
	var ids []string
	for part := range strings.SplitSeq(c.Value, ".") {
		if id, err := base64.RawURLEncoding.DecodeString(part); err == nil && len(id) > 0 && len(ids) < mineLimit {
			ids = append(ids, string(id))
		}
	}
	return ids
}

// remember adds an order to those of this browser.
func remember(w http.ResponseWriter, r *http.Request, id string) {
	ids := append([]string{id}, slices.DeleteFunc(myOrders(r), func(other string) bool { return other == id })...)
	parts := make([]string, 0, mineLimit)
	for _, id := range ids[:min(len(ids), mineLimit)] {
		parts = append(parts, base64.RawURLEncoding.EncodeToString([]byte(id)))
	}
	http.SetCookie(w, &http.Cookie{
		Name: mineCookie, Value: strings.Join(parts, "."), Path: "/", MaxAge: 24 * 60 * 60, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
