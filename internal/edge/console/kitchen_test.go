package console

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// A page of the interface may be empty although more follow: how far one request looks is bounded. The orders that
// wait longest come last.
func TestTheBoardHasOrdersOfLaterPages(t *testing.T) {
	t.Parallel()
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		switch {
		case q.Get("status") != "PAID":
			fmt.Fprint(w, `{"orders":[]}`)
		case q.Get("cursor") == "":
			fmt.Fprint(w, `{"orders":[],"next":"a b"}`)
		case q.Get("cursor") == "a b":
			fmt.Fprint(w, `{"orders":[{"orderId":"late-1","status":"PAID"}]}`)
		default:
			t.Errorf("asked for %s", r.URL)
		}
	})
	page := httptest.NewRecorder()
	c := New(Config{API: api, Logger: zerolog.Nop()})
	c.Around(http.NotFoundHandler()).ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/kitchen?lang=en", nil))
	if text := page.Body.String(); page.Code != http.StatusOK || !strings.Contains(text, "/kitchen/late-1/prepare") || strings.Contains(text, "There are more orders") {
		t.Errorf("%d %s", page.Code, text)
	}
}

// An interface that never ends its list does not hold the board up.
func TestTheBoardSaysThatThereIsMore(t *testing.T) {
	t.Parallel()
	api := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"orders":[],"next":"x"}`) })
	page := httptest.NewRecorder()
	c := New(Config{API: api, Logger: zerolog.Nop()})
	c.Around(http.NotFoundHandler()).ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/kitchen?lang=en", nil))
	if text := page.Body.String(); !strings.Contains(text, "There are more orders") {
		t.Error(text)
	}
}
