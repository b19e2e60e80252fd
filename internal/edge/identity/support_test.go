package identity

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"gakushoku/internal/observe"
)

var noon = time.Date(2026, 1, 24, 3, 0, 0, 0, time.UTC)

// clock is a clock that a test sets.
type clock struct{ at atomic.Pointer[time.Time] }

func newClock() *clock {
	c := &clock{}
	c.set(noon)
	return c
}

func (c *clock) set(at time.Time)     { c.at.Store(&at) }
func (c *clock) pass(d time.Duration) { c.set(c.now().Add(d)) }
func (c *clock) now() time.Time       { return *c.at.Load() }

const (
	issuer   = "https://login.example.com"
	audience = "canteen"
)

// signing are private keys by their ids. They are made once, since RSA keys take long.
var signing = sync.OnceValue(func() map[string]any {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, edKey, err3 := ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(err, err2, err3); err != nil {
		panic(err)
	}
	return map[string]any{"rsa": rsaKey, "ec": ecKey, "ed": edKey}
})

func public(id string) any { return signing()[id].(crypto.Signer).Public() }

// provider is a provider of tokens with an HTTP server.
type provider struct {
	*httptest.Server
	published atomic.Pointer[jose.JSONWebKeySet]
	fetched   atomic.Int64
	down      atomic.Bool
}

func newProvider(t *testing.T, ids ...string) *provider {
	p := &provider{}
	p.publish(ids...)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.fetched.Add(1)
		if p.down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		json.NewEncoder(w).Encode(p.published.Load()) //nolint:errcheck // the client sees it
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) publish(ids ...string) {
	set := &jose.JSONWebKeySet{}
	for _, id := range ids {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: public(id), KeyID: id, Use: "sig"})
	}
	p.published.Store(set)
}

// tokens accepts the provider's tokens.
func (p *provider) tokens(t *testing.T, now func() time.Time) *Tokens {
	t.Helper()
	tokens, err := NewTokens(Provider{Issuer: issuer, Audiences: []string{"other", audience}, KeySet: p.URL}, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// claims are those of a good token.
func claims(more map[string]any) map[string]any {
	all := map[string]any{
		"iss": issuer, "aud": audience, "sub": "9f2c", "iat": noon.Unix(), "nbf": noon.Unix(), "exp": noon.Add(time.Hour).Unix(), "roles": []string{"kitchen"},
	}
	for name, value := range more {
		if value == nil {
			delete(all, name)
			continue
		}
		all[name] = value
	}
	return all
}

// sign returns a token, signed with a key that says it has an id.
func sign(t *testing.T, algorithm jose.SignatureAlgorithm, key any, id string, content map[string]any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("JWT")
	if id != "" {
		options = options.WithHeader("kid", id)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(content).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// wantRefused fails the test unless err refuses with a code.
func wantRefused(t *testing.T, what string, caller observe.Caller, err error, code string) {
	t.Helper()
	var r *Refused
	if !errors.As(err, &r) || r.Code != code || r.Challenge == "" && code != CodeThrottled {
		t.Errorf("%s: %+v, %v, want the refusal %s", what, caller, err, code)
	}
	if caller != (observe.Caller{}) {
		t.Errorf("%s: it is refused and yet identified as %+v", what, caller)
	}
}

func request(t *testing.T, headers ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, "/orders", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}
