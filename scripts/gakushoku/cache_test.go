package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
)

func TestKeptListsAreClearedWarmedAndCounted(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	call(t, "menu", "import", filepath.Join("..", "..", "events", "menu.csv"), "-d", dir).wants(t, exitDone)
	asked := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked += r.URL.Path
		_, _ = w.Write([]byte("# TYPE gakushoku_list_reads_total counter\n" +
			`gakushoku_list_reads_total{gakushoku_cached="true",gakushoku_projection="products"} 9` + "\n" +
			`gakushoku_list_reads_total{gakushoku_cached="false",gakushoku_projection="products"} 1` + "\n"))
	}))
	defer server.Close()
	call(t, "cache", "clear", "-d", dir).wants(t, exitDone, "products    1", "categories  1")
	call(t, "cache", "clear", "products", "-d", dir).wants(t, exitDone, "products  2")
	call(t, "cache", "warm", "--entities", "products,categories", "--url", server.URL, "-d", dir).wants(t, exitDone, "products    3", "categories  2")
	if asked != "/menu" {
		t.Errorf("asked for %s", asked)
	}
	call(t, "cache", "stats", "--ops-url", server.URL, "-d", dir).wants(t, exitDone, "90.0 %", "products    3           10")
	call(t, "cache", "stats", "--json", "-d", dir).wants(t, exitDone, `"generation": 3`)
	call(t, "cache", "clear", "orders", "-d", dir).wants(t, exitUsage, "choose from products, categories")
}
