package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gakushoku/internal/rehearse/loadgen"
)

// house is a canteen of one process, which may misbehave.
type house struct {
	mu       sync.Mutex
	versions map[string]int
	spoil    func(r *http.Request, a *loadgen.Order) (status int)
}

func (h *house) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if r.Method == http.MethodGet && len(parts) == 1 || parts[0] == "sales" {
		fmt.Fprint(w, `{}`)
		return
	}
	id := "o" + strconv.Itoa(len(h.versions)+1)
	if len(parts) > 1 {
		id = parts[1]
	}
	if r.Method == http.MethodPost {
		h.versions[id]++
	}
	a := loadgen.Order{OrderID: id, Version: uint64(h.versions[id]), Status: []string{"", "ORDERED", "PAID", "PREPARING", "READY", "PICKED_UP"}[h.versions[id]]}
	if h.spoil != nil {
		if status := h.spoil(r, &a); status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	json.NewEncoder(w).Encode(a)
}

// visited is what guests complained of after so many orders were served, or a complaint was made.
func visited(t *testing.T, number int, spoil func(r *http.Request, a *loadgen.Order) int) (*guests, []string) {
	t.Helper()
	h := &house{versions: map[string]int{}, spoil: spoil}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	g := letIn(ctx, newClient(server.URL), 2, 10_000)
	for ctx.Err() == nil && len(g.all()) < number && len(g.client.complained()) == 0 {
		time.Sleep(time.Millisecond)
	}
	g.sendHome()
	return g, g.client.complained()
}

func TestGuestsWhoAreServedWellDoNotComplain(t *testing.T) {
	t.Parallel()
	g, complaints := visited(t, settled+5, nil)
	if len(complaints) > 0 || len(g.all()) < settled+5 {
		t.Errorf("%d served, complaints %q", len(g.all()), complaints)
	}
	for _, s := range g.all() {
		if s.Version != 5 || s.CorrelationID == "" {
			t.Errorf("%+v", s)
		}
	}
	spoiled := g.spoil(2)
	if again := g.spoil(100); len(spoiled) != 2 || len(again) == 0 || again[0] == spoiled[0] {
		t.Errorf("spoiled %v, then %v", spoiled, again)
	}
}

func TestGuestsComplainOfEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	reads := func(r *http.Request) bool { return r.Method == http.MethodGet }
	for name, test := range map[string]struct {
		spoil func(r *http.Request, a *loadgen.Order) int
		want  string
	}{
		"a command that fails": {func(r *http.Request, _ *loadgen.Order) int {
			if strings.HasSuffix(r.URL.Path, "/pay") {
				return http.StatusServiceUnavailable
			}
			return 0
		}, "503"},
		"a query that fails": {func(r *http.Request, _ *loadgen.Order) int {
			if reads(r) {
				return http.StatusInternalServerError
			}
			return 0
		}, "500"},
		"an answer that is stale": {func(r *http.Request, a *loadgen.Order) int {
			if reads(r) && r.Header.Get("If-Min-Version") == "3" {
				a.Version, a.Status = 2, "PAID"
			}
			return 0
		}, "stale"},
		"a version whose content is another": {func(r *http.Request, a *loadgen.Order) int {
			if reads(r) && a.Version == 2 {
				a.Status = "ORDERED"
			}
			return 0
		}, "stale"},
		"an order that goes back": {func(r *http.Request, a *loadgen.Order) int {
			if reads(r) && r.Header.Get("If-Min-Version") == "" {
				a.Version, a.Status = 4, "READY"
			}
			return 0
		}, "went back"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, complaints := visited(t, 1000, test.spoil); len(complaints) == 0 || !strings.Contains(complaints[0], test.want) {
				t.Errorf("complaints %q, want %q", complaints, test.want)
			}
		})
	}
}

func TestNobodyIsFoundWhereNobodyListens(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	if status(t.Context(), server.URL) != http.StatusNotFound {
		t.Error("a server that answers was not found")
	}
	server.Close()
	if status(t.Context(), server.URL) != 0 {
		t.Error("a server that is closed was found")
	}
}
