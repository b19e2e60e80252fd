package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// What a stranger mistypes is named, with what to do instead.
func TestMistakesAreNamedWithWhatToDo(t *testing.T) {
	t.Parallel()
	shut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer shut.Close()
	dir := seeded(t)
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"payments ledger --url " + shut.URL, exitFailed, "GAKUSHOKU_PAYMENT_SECRET"},
		{"payments ledger --url foo", exitUsage, "not an address such as http://"},
		{"cache warm --url foo", exitUsage, "not an address such as http://"},
		{"cache stats --ops-url foo", exitUsage, "not an address such as http://"},
		{"cache clear orders", exitUsage, "choose from products, categories"},
		{"process show nothing", exitUsage, "Try: gakushoku process show --help"},
		{"process redrive nothing", exitUsage, "Try: gakushoku process redrive --help"},
		{"subject find nobody", exitUsage, "Try: gakushoku subject find --help"},
		{"token --expires -1h", exitUsage, "--expires: -1h0m0s is no time"},
		{"authz explain --role guest GET nothing", exitUsage, "paths begin with /"},
	} {
		args := append(strings.Fields(c.args), "-d", dir)
		call(t, args...).wants(t, c.code, c.says)
	}
	call(t, "menu", "import", t.TempDir(), "-d", dir).wants(t, exitFailed, "is a folder: name a file")
	call(t, "menu", "import", put(t, "menu.csv", ""), "-d", dir).wants(t, exitFailed, "it is empty: the first line must name the columns")
	got := callWith(t, "", true, "menu", "import", filepath.Join("..", "..", "events", "menu.csv"), "-d", dir)
	if got.code != exitDone || got.err != "" {
		t.Errorf("exit %d, on the terminal: %s", got.code, got.err)
	}
}
