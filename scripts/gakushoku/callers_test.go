package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// askAs sends a request with credentials, which may be "", and returns the status and the body.
func askAs(t *testing.T, method, url, authorization, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if authorization != "" {
		r.Header.Set("Authorization", "Bearer "+authorization)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func wantStatus(t *testing.T, what string, got int, text string, want int) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %d, want %d: %s", what, got, want, text)
	}
}

// A guest orders, the kitchen prepares, and each of them can do nothing else.
func TestCallersDoWhatTheirRoleAllows(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	server := start(t, serving(dir, "--development-issuer", "--requests-per-second", "0")...)
	url, _ := server.addresses(t)
	status, text := askAs(t, http.MethodGet, url+"/orders", "", "")
	wantStatus(t, "a list for nobody", status, text, 401)
	status, text = askAs(t, http.MethodPost, url+"/session", "", "")
	wantStatus(t, "a session", status, text, 201)
	var session struct{ Token string }
	if err := json.Unmarshal([]byte(text), &session); err != nil {
		t.Fatal(err)
	}
	manager := strings.TrimSpace(ok(t, "token", "--role", "operator", "-d", dir))
	status, text = askAs(t, http.MethodPut, url+"/products/tea", manager, `{"nameJa":"茶","price":120,"offered":true}`)
	wantStatus(t, "a product", status, text, 201)
	status, text = askAs(t, http.MethodPost, url+"/orders", session.Token, `{"orderId":"o0","total":780}`)
	wantStatus(t, "a guest's order with a total of their own", status, text, 403)
	status, text = askAs(t, http.MethodPost, url+"/orders", session.Token, `{"orderId":"o1","lines":[{"productId":"tea","quantity":1}]}`)
	wantStatus(t, "a guest's order", status, text, 201)
	status, text = askAs(t, http.MethodPost, url+"/orders/o1/pay", session.Token, `{"paymentMethod":"CARD"}`)
	wantStatus(t, "a guest who says to have paid at the till", status, text, 403)
	till := strings.TrimSpace(ok(t, "token", "--role", "cashier", "-d", dir))
	status, text = askAs(t, http.MethodPost, url+"/orders/o1/pay", till, `{"paymentMethod":"CARD"}`)
	wantStatus(t, "the till", status, text, 200)
	status, text = askAs(t, http.MethodPost, url+"/orders/o1/prepare", session.Token, "")
	wantStatus(t, "a guest in the kitchen", status, text, 403)

	cook := strings.TrimSpace(ok(t, "token", "--role", "kitchen", "-d", dir))
	status, text = askAs(t, http.MethodPost, url+"/orders/o1/prepare", cook, "")
	wantStatus(t, "the kitchen", status, text, 200)
	status, text = askAs(t, http.MethodPost, url+"/orders", cook, `{"total":780}`)
	wantStatus(t, "the kitchen as a guest", status, text, 403)
	stranger := strings.TrimSpace(ok(t, "token", "--role", "operator", "-d", filepath.Join(t.TempDir(), "other")))
	status, text = askAs(t, http.MethodGet, url+"/orders", stranger, "")
	wantStatus(t, "a token of another folder", status, text, 401)

	contains(t, ok(t, "events", "show", "o1", "-d", dir), `guest-`, `user-`)
	if text := ok(t, "events", "export", "-d", dir); strings.Contains(text, "developer") {
		t.Errorf("the subject of a token is in the events: %s", text)
	}
	server.stop()
	<-server.ended
	info, err := os.Stat(filepath.Join(dir, "development-issuer.json"))
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the issuer's key: %v, %v", info, err)
	}
}

func TestATokenOfTheDevelopmentIssuerIsNotAcceptedUnlessConfigured(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	token := strings.TrimSpace(ok(t, "token", "--role", "operator", "-d", dir))
	server := start(t, serving(dir, "--api-keys", "till=k1")...)
	url, _ := server.addresses(t)
	status, text := askAs(t, http.MethodGet, url+"/orders", token, "")
	wantStatus(t, "its token", status, text, 401)
	server.stop()
	<-server.ended
	keys := strings.TrimSpace(ok(t, "token", "--keys", "-d", dir))
	if strings.Contains(keys, `"d":`) {
		t.Errorf("the public keys hold a private one: %s", keys)
	}
	server = start(t, serving(dir, "--issuer", "urn:gakushoku:development", "--audience", "gakushoku", "--jwks", keys)...)
	url, _ = server.addresses(t)
	status, text = askAs(t, http.MethodGet, url+"/orders", token, "")
	wantStatus(t, "its token, with its keys configured", status, text, 200)
	server.stop()
	<-server.ended
}

func TestKeysAreMadeListedAndRevoked(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	server := start(t, serving(dir, "--development-issuer")...)
	url, _ := server.addresses(t)
	var made struct{ ID, Key string }
	if err := json.Unmarshal([]byte(ok(t, "keys", "create", "screen", "--role", "kitchen", "--json", "-d", dir)), &made); err != nil {
		t.Fatal(err)
	}
	status, text := askAs(t, http.MethodGet, url+"/orders", made.Key, "")
	wantStatus(t, "a new key", status, text, 200)
	list := ok(t, "keys", "list", "-d", dir)
	contains(t, list, made.ID, "screen", "kitchen", "live")
	if strings.Contains(list, made.Key) {
		t.Error("the key is shown again")
	}
	contains(t, ok(t, "keys", "revoke", made.ID, "-d", dir), "revoked")
	contains(t, ok(t, "keys", "list", "--json", "-d", dir), `"state":"revoked"`)
	status = 200
	for until := time.Now().Add(30 * time.Second); status == 200 && time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		status, text = askAs(t, http.MethodGet, url+"/orders", made.Key, "")
	}
	wantStatus(t, "a revoked key", status, text, 401)
	call(t, "keys", "revoke", "nobody", "-d", dir).wants(t, exitUsage, "keys list")
	contains(t, ok(t, "keys", "rotate", "-d", dir), "Secret 000001")
	server.stop()
	<-server.ended
}

func TestAServerSaysThatEverybodyMayDoEverything(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	server := start(t, serving(dir)...)
	server.addresses(t)
	contains(t, server.out.String(), "everybody may do everything here")
	server.stop()
	<-server.ended
	call(t, "serve", "-d", dir, "--addr", "0.0.0.0:0", "--ops-addr", "none").wants(t, exitFailed, "--issuer")
}

func TestAuthzIsExplained(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		role, method, path string
		want               []string
	}{
		{"guest", "GET", "/orders/o1", []string{"getOrder", "orders:own", "own orders", "404"}},
		{"guest", "get", "/orders", []string{"listOrders", "own orders"}},
		{"guest", "get", "/sales/2026-01-24", []string{"getSales", "403"}},
		{"none", "POST", "/orders", []string{"placeOrder", "401"}},
		{"none", "GET", "/health", []string{"for everybody", "without credentials"}},
		{"kitchen", "POST", "/orders/o1/ready", []string{"markReady", "Allowed."}},
	} {
		contains(t, ok(t, "authz", "explain", "--role", tt.role, tt.method, tt.path), tt.want...)
	}
	contains(t, ok(t, "authz", "explain", "--role", "guest", "GET", "/orders/o1", "--json"), `"ownOnly": true`, `"allowed": true`)
}

// A file can name any caller, so whose orders it has is only believed on request.
func TestAnImportKeepsActorsOnlyOnRequest(t *testing.T) {
	t.Parallel()
	file := put(t, "mine.jsonl", strings.ReplaceAll(seed, `"correlationId"`, `"actor":"guest-1","correlationId"`))
	for flag, kept := range map[string]bool{"--keep-actors": true, "--skip-bad": false} {
		dir := filepath.Join(t.TempDir(), "data")
		ok(t, "events", "import", file, flag, "-d", dir)
		if exported := ok(t, "events", "export", "-d", dir); strings.Contains(exported, "guest-1") != kept {
			t.Errorf("%s: %s", flag, exported)
		}
		contains(t, ok(t, "events", "import", file, "-d", dir), "2 already there")
	}
}
