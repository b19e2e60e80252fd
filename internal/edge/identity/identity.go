// Package identity finds out who sends a request: staff by a token of an OpenID provider, devices by a key,
// guests by a session. It also says what each role may do. infra/decisions/0020-who-may-do-what.md has the
// reasons.
package identity

import (
	"net/http"
	"strings"

	"gakushoku/internal/engine/credential"
	"gakushoku/internal/observe"
)

// The places of credentials in a request, besides the Authorization header.
const (
	headerKey     = "X-Api-Key"
	sessionCookie = "gakushoku-session"
)

// maxCredential bounds a credential in bytes. Tokens of providers have one or two thousand.
const maxCredential = 8 << 10

// Authenticator identifies the callers of requests. Parts that are nil accept nothing.
type Authenticator struct {
	Tokens   *Tokens                   // of the provider
	Devices  *Devices                  // keys in the store
	Sessions *Sessions                 // of guests
	Keys     map[string]observe.Caller // keys from the configuration, by credential.Digest
	// Open serves requests without credentials as callers who may do everything.
	Open bool
}

// Anonymous returns the caller of requests without credentials.
func (a *Authenticator) Anonymous() observe.Caller {
	if a.Open {
		return observe.Caller{Scopes: observe.EveryScope}
	}
	return observe.Caller{Scopes: ScopeMenuRead}
}

// Identify returns the caller of a request. Credentials that are not accepted are *Refused, whatever the route:
// a client must learn that its token has ended. Only a cookie that is not accepted is ignored, since browsers
// send it without being asked. Other errors mean that the credentials could not be checked.
func (a *Authenticator) Identify(r *http.Request) (observe.Caller, error) {
	authorization, keys := r.Header.Values("Authorization"), r.Header.Values(headerKey)
	switch {
	case len(authorization)+len(keys) > 1:
		return observe.Caller{}, refused("send one credential: one Authorization header, or one x-api-key")
	case len(authorization) == 1:
		return a.bearer(r, authorization[0])
	case len(keys) == 1:
		return a.device(r, keys[0])
	}
	if cookie, err := r.Cookie(sessionCookie); err == nil && a.Sessions != nil {
		return a.cookie(r, cookie.Value)
	}
	return a.Anonymous(), nil
}

func (a *Authenticator) bearer(r *http.Request, header string) (observe.Caller, error) {
	scheme, token, _ := strings.Cut(header, " ")
	token = strings.TrimSpace(token)
	switch {
	case !strings.EqualFold(scheme, "Bearer") || token == "":
		return observe.Caller{}, refused("the Authorization header must be: Bearer TOKEN")
	case len(token) > maxCredential:
		return observe.Caller{}, refused("the token is longer than 8 KiB")
	case strings.HasPrefix(token, credential.KeyPrefix):
		return a.device(r, token)
	case strings.HasPrefix(token, sessionPrefix):
		if a.Sessions == nil {
			return observe.Caller{}, refused("there are no guest sessions here")
		}
		return a.Sessions.Verify(r.Context(), token)
	case a.Tokens == nil:
		return observe.Caller{}, refused("no provider's tokens are accepted here: sign in with a device key")
	}
	return a.Tokens.Verify(r.Context(), token)
}

// device identifies a device by its key. It compares digests, so that the time taken does not reveal how much
// of a key was right.
func (a *Authenticator) device(r *http.Request, key string) (observe.Caller, error) {
	if len(key) > maxCredential {
		return observe.Caller{}, ErrWrongKey
	}
	digest := credential.Digest(key)
	if caller, ok := a.Keys[digest]; ok {
		return caller, nil
	}
	if a.Devices == nil {
		return observe.Caller{}, ErrWrongKey
	}
	return a.Devices.Verify(r.Context(), digest)
}

// crossSite refuses requests that a page of another site makes a browser send, with the cookie of this one.
var crossSite = http.NewCrossOriginProtection()

func (a *Authenticator) cookie(r *http.Request, token string) (observe.Caller, error) {
	if err := crossSite.Check(r); err != nil {
		return observe.Caller{}, refused("a page of another site sent this request with your session: open the canteen's own page")
	}
	caller, err := a.Sessions.Verify(r.Context(), token)
	if isRefused(err) {
		return a.Anonymous(), nil
	}
	return caller, err
}
