package lambdaevent_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/go-jose/go-jose/v4"
	"github.com/rs/zerolog"

	"gakushoku/internal/edge/httpapi"
	"gakushoku/internal/edge/identity"
	"gakushoku/internal/edge/lambdaevent"
	"gakushoku/internal/engine/command"
	"gakushoku/internal/engine/credential"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/memory"
)

// entrance is a canteen that is entered over HTTP, and as a function behind API Gateway.
type entrance struct {
	t    *testing.T
	http http.Handler
	key  *ecdsa.PrivateKey
	set  string // the published keys
	keys credential.Keys
}

const (
	issuer   = "https://login.example.com"
	audience = "canteen"
)

func newEntrance(t *testing.T) *entrance {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	store := memory.NewControl()
	e := &entrance{t: t, key: key, set: string(set), keys: credential.Keys{Store: store, Now: time.Now}}
	tokens, err := identity.NewTokens(identity.Provider{Issuer: issuer, Audiences: []string{audience}, KeySet: e.set}, nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	who := identity.Authenticator{Tokens: tokens, Devices: identity.NewDevices(e.keys, 0), Sessions: identity.NewSessions(credential.Secrets{Store: store, Now: time.Now}, 0)}
	e.http, err = httpapi.New(httpapi.Config{
		Parts: httpapi.PartCommands, Identify: who.Identify, Sessions: who.Sessions,
		Commands: &command.Handler{Streams: memory.NewEvents(), Now: time.Now, NewID: observe.NewID},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// send sends a request by both ways. It returns the status of both, and a body.
func (e *entrance) send(path, body, header, credential string) (server, function int, text string) {
	e.t.Helper()
	r := httptest.NewRequestWithContext(e.t.Context(), http.MethodPost, path, strings.NewReader(body))
	w := httptest.NewRecorder()
	headers := map[string]string{"Content-Type": "application/json"}
	if header != "" {
		headers[header] = credential
	}
	many := map[string][]string{}
	for name, value := range headers {
		r.Header.Set(name, value)
		many[name] = []string{value}
	}
	e.http.ServeHTTP(w, r)
	answer, err := lambdaevent.HTTP(e.http, zerolog.Nop())(context.WithoutCancel(e.t.Context()), events.APIGatewayProxyRequest{
		HTTPMethod: http.MethodPost, Path: path, Body: body, Headers: headers, MultiValueHeaders: many,
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return w.Code, answer.StatusCode, w.Body.String()
}

func (e *entrance) wants(what, path, body, header, credential string, want int) string {
	e.t.Helper()
	server, function, text := e.send(path, body, header, credential)
	if server != want || function != want {
		e.t.Errorf("%s: %d over HTTP, %d as a function, want %d: %s", what, server, function, want, text)
	}
	return text
}

// token signs claims, of which more replace the usual ones.
func (e *entrance) token(algorithm jose.SignatureAlgorithm, key any, id string, more map[string]any) string {
	e.t.Helper()
	claims := map[string]any{"iss": issuer, "aud": audience, "sub": "ann", "roles": "cashier", "exp": time.Now().Add(time.Hour).Unix()}
	for name, value := range more {
		claims[name] = value
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		e.t.Fatal(err)
	}
	if algorithm == "none" {
		encode := base64.RawURLEncoding.EncodeToString
		return encode([]byte(`{"alg":"none","kid":"`+id+`"}`)) + "." + encode(payload) + "."
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: id}}, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		e.t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		e.t.Fatal(err)
	}
	return compact
}

func (e *entrance) bearer(algorithm jose.SignatureAlgorithm, key any, id string, more map[string]any) string {
	e.t.Helper()
	return "Bearer " + e.token(algorithm, key, id, more)
}

// The attacks on who somebody is, on the entrances of both runtimes.
func TestAttacksAreRefusedByBothEntrances(t *testing.T) {
	t.Parallel()
	e := newEntrance(t)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const order, authorization = `{"total":780}`, "Authorization"
	e.wants("a good token", "/orders", order, authorization, e.bearer(jose.ES256, e.key, "k", nil), http.StatusCreated)
	for what, credential := range map[string]string{
		"an expired token":           e.bearer(jose.ES256, e.key, "k", map[string]any{"exp": time.Now().Add(-2 * time.Minute).Unix()}),
		"another issuer":             e.bearer(jose.ES256, e.key, "k", map[string]any{"iss": "https://evil.example.com"}),
		"another audience":           e.bearer(jose.ES256, e.key, "k", map[string]any{"aud": "payroll"}),
		"alg=none":                   e.bearer("none", nil, "k", nil),
		"HS256 with the public key":  e.bearer(jose.HS256, publicBytes(t, e.key), "k", nil),
		"HS256 with the set of keys": e.bearer(jose.HS256, []byte(e.set), "k", nil),
		"an unknown key":             e.bearer(jose.ES256, other, "unknown", nil),
		"another key with that id":   e.bearer(jose.ES256, other, "k", nil),
		"rubbish":                    "Bearer rubbish",
	} {
		e.wants(what, "/orders", order, authorization, credential, http.StatusUnauthorized)
	}
	e.wants("no token", "/orders", order, "", "", http.StatusUnauthorized)
}

func publicBytes(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	public, ok := key.Public().(*ecdsa.PublicKey)
	if !ok {
		t.Fatal("no public key")
	}
	raw, err := public.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestAnotherGuestsOrderAndARevokedKeyAreRefusedByBothEntrances(t *testing.T) {
	t.Parallel()
	e := newEntrance(t)
	guest := func() string {
		var session struct{ Token string }
		if err := json.Unmarshal([]byte(e.wants("a session", "/session", "", "", "", http.StatusCreated)), &session); err != nil {
			t.Fatal(err)
		}
		return "Bearer " + session.Token
	}
	ann, bob := guest(), guest()
	const authorization, apiKey = "Authorization", "X-Api-Key"
	if server, _, text := e.send("/orders", `{"orderId":"o1","total":780}`, authorization, ann); server != http.StatusCreated {
		t.Fatal(text)
	}
	e.wants("another's order", "/orders/o1/cancel", "{}", authorization, bob, http.StatusNotFound)

	shown, key, err := e.keys.Create(t.Context(), "till", "cashier", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	e.wants("a device key", "/orders", `{"total":780}`, apiKey, shown, http.StatusCreated)
	if _, err := e.keys.Revoke(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if server, _, _ := e.send("/orders", `{"total":780}`, apiKey, shown); server == http.StatusUnauthorized {
			break
		}
	}
	e.wants("a revoked device key", "/orders", `{"total":780}`, apiKey, shown, http.StatusUnauthorized)
	e.wants("a revoked device key, again", "/orders", `{"total":780}`, authorization, "Bearer "+shown, http.StatusUnauthorized)
}
