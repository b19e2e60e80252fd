package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// pinned is a public key with the only algorithm that its tokens may have.
type pinned struct {
	public    any
	algorithm string
}

// keySet maps the ids of a provider's keys to the keys.
type keySet map[string]pinned

// How long the keys of a provider are used, and how often they are looked up. A new key is found at its first
// token, but no number of tokens with unknown keys leads to more than one look-up in keysPause.
const (
	keysFresh  = time.Hour
	keysUsable = 24 * time.Hour
	keysPause  = 10 * time.Second
	keysAgain  = 2 * time.Second
)

// NewTokens returns the tokens of a provider. Nothing is fetched before the first token. client may be nil.
func NewTokens(p Provider, client *http.Client, now func() time.Time) (*Tokens, error) {
	if client == nil {
		client = &http.Client{Timeout: loadLimit, CheckRedirect: sameSafety}
	}
	if p.RoleClaim == "" {
		p.RoleClaim = "roles"
	}
	load, err := p.source(client)
	if err != nil {
		return nil, err
	}
	return &Tokens{provider: p, now: now, keys: newCache(&cache[keySet]{
		load: load, now: now, fresh: keysFresh, usable: keysUsable, pause: keysPause, again: keysAgain,
	})}, nil
}

// source returns how the keys are found.
func (p *Provider) source(client *http.Client) (func(context.Context) (keySet, error), error) {
	switch {
	case p.Issuer == "":
		return nil, errors.New("the issuer is missing")
	case len(p.Audiences) == 0:
		return nil, errors.New("the audience is missing: it says which tokens of the issuer are for this service")
	case strings.HasPrefix(strings.TrimSpace(p.KeySet), "{"):
		keys, err := parseKeySet([]byte(p.KeySet))
		return func(context.Context) (keySet, error) { return keys, nil }, err
	case p.KeySet != "":
		if err := safe(p.KeySet); err != nil {
			return nil, fmt.Errorf("the address of the keys: %w", err)
		}
		return func(ctx context.Context) (keySet, error) { return fetchKeys(ctx, client, p.KeySet) }, nil
	}
	if err := safe(p.Issuer); err != nil {
		return nil, fmt.Errorf("the issuer: %w; or say where its keys are", err)
	}
	return func(ctx context.Context) (keySet, error) {
		address, err := p.discover(ctx, client)
		if err != nil {
			return nil, err
		}
		return fetchKeys(ctx, client, address)
	}, nil
}

// discover returns the address of the keys from the provider's configuration.
func (p *Provider) discover(ctx context.Context, client *http.Client) (string, error) {
	var found struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	raw, err := fetch(ctx, client, strings.TrimSuffix(p.Issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(raw, &found); err != nil {
		return "", fmt.Errorf("reading the configuration of %s: %w", p.Issuer, err)
	}
	if found.Issuer != p.Issuer {
		return "", fmt.Errorf("the configuration of %s is of another issuer, %q", p.Issuer, found.Issuer)
	}
	if err := safe(found.JWKSURI); err != nil {
		return "", fmt.Errorf("the address of the keys of %s: %w", p.Issuer, err)
	}
	return found.JWKSURI, nil
}

// safe refuses addresses over which anybody on the way could replace what is fetched.
func safe(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return fmt.Errorf("%q is no address such as https://login.example.com", address)
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("%q must begin with https://", address)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func sameSafety(r *http.Request, via []*http.Request) error {
	const most = 3
	if len(via) > most {
		return errors.New("too many redirects")
	}
	return safe(r.URL.String())
}

func fetchKeys(ctx context.Context, client *http.Client, address string) (keySet, error) {
	raw, err := fetch(ctx, client, address)
	if err != nil {
		return nil, err
	}
	keys, err := parseKeySet(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	return keys, nil
}

// maxDocument bounds a provider's documents in bytes.
const maxDocument = 512 << 10

func fetch(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("fetching %s: %w", address, err)
	}
	response, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("fetching %s: %w", address, err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxDocument+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("fetching %s: %w", address, err)
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("fetching %s: the status is %s", address, response.Status)
	case len(raw) > maxDocument:
		return nil, fmt.Errorf("fetching %s: the document has more than %d bytes", address, maxDocument)
	}
	return raw, nil
}

// parseKeySet returns the keys of a JSON Web Key Set that verify signatures. It skips others, and keys without
// an id.
func parseKeySet(raw []byte) (keySet, error) {
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		return nil, fmt.Errorf("this is no JSON Web Key Set: %w", err)
	}
	keys := keySet{}
	for _, one := range document.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(one, &key) != nil || key.KeyID == "" || key.Use != "" && key.Use != "sig" {
			continue
		}
		algorithm := algorithmOf(key)
		if _, twice := keys[key.KeyID]; algorithm != "" && !twice {
			keys[key.KeyID] = pinned{key.Key, algorithm}
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the key set has no key, with an id, that verifies signatures")
	}
	return keys, nil
}

// minRSABits is the least size of an RSA key.
const minRSABits = 2048

// algorithmOf returns the algorithm of a key: the one that it names, if its type has it, or the usual one of
// its type; "" for a key that is not accepted, such as a symmetric or private one.
func algorithmOf(key jose.JSONWebKey) string {
	var possible string
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() < minRSABits {
			return ""
		}
		possible = "RS256 RS384 RS512 PS256 PS384 PS512"
	case *ecdsa.PublicKey:
		possible = map[int]string{256: "ES256", 384: "ES384", 521: "ES512"}[public.Curve.Params().BitSize]
	case ed25519.PublicKey:
		possible = "EdDSA"
	}
	all := strings.Fields(possible)
	for _, one := range all {
		if key.Algorithm == "" || key.Algorithm == one {
			return one
		}
	}
	return ""
}
