// Package callers builds the part of an installation that identifies callers. It is apart from package wiring,
// so that functions without an HTTP interface do not carry it.
package callers

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"gakushoku/internal/edge/httpapi"
	"gakushoku/internal/edge/identity"
	"gakushoku/internal/engine/credential"
	"gakushoku/internal/observe"
)

// Options say whose credentials are accepted.
type Options struct {
	Provider *identity.Provider        // nil: no tokens are accepted
	Keys     map[string]observe.Caller // device keys from the configuration, by credential.Digest
	NoGuests bool                      // there are no sessions of guests
	// Everybody serves requests without credentials as callers who may do everything.
	Everybody bool
	// Fresh is how long the device keys and the secrets of sessions that were read from the store are used, so how
	// long a revoked one may still be accepted.
	Fresh time.Duration

	PerSecond int // how many requests a caller may send in a second on average, and twice as many at once; 0: any number
}

// Apply makes an HTTP interface identify its callers. Nothing is read before the first request.
func Apply(c *httpapi.Config, store credential.Store, o Options) error {
	now := c.Now
	if now == nil {
		now = time.Now
	}
	who := &identity.Authenticator{
		Devices: identity.NewDevices(credential.Keys{Store: store, Now: now}, o.Fresh), Keys: o.Keys, Open: o.Everybody,
	}
	if o.Provider != nil {
		var err error
		if who.Tokens, err = identity.NewTokens(*o.Provider, nil, now); err != nil {
			return fmt.Errorf("preparing to accept tokens: %w", err)
		}
	}
	if !o.NoGuests {
		who.Sessions = identity.NewSessions(credential.Secrets{Store: store, Now: now}, o.Fresh)
	}
	c.Identify, c.Sessions = who.Identify, who.Sessions
	if o.PerSecond > 0 {
		c.Limiter = identity.NewLimiter(float64(o.PerSecond), 2*o.PerSecond, now)
	}
	return nil
}

// Settings are the settings of a provider, as a configuration has them.
type Settings struct {
	Issuer    string
	Audience  string // several with commas between them
	KeySet    string // an address or a JSON Web Key Set; "": where the issuer's configuration says
	RoleClaim string // "" is roles
	RoleNames string // THEIRS=OURS with commas between them
}

// Provider returns the provider that settings describe, nil if they name no issuer.
func (s Settings) Provider() (*identity.Provider, error) {
	if s.Issuer == "" {
		if s.Audience != "" || s.KeySet != "" {
			return nil, errors.New("an audience or a key set is set, but no issuer: name the issuer of the tokens")
		}
		return nil, nil
	}
	p := &identity.Provider{Issuer: s.Issuer, KeySet: s.KeySet, RoleClaim: s.RoleClaim, RoleNames: map[string]string{}}
	for audience := range strings.SplitSeq(s.Audience, ",") {
		if audience = strings.TrimSpace(audience); audience != "" {
			p.Audiences = append(p.Audiences, audience)
		}
	}
	for pair := range strings.SplitSeq(s.RoleNames, ",") {
		theirs, ours, ok := strings.Cut(strings.TrimSpace(pair), "=")
		switch {
		case theirs == "" && !ok:
			continue
		case !ok || !identity.KnownRole(ours):
			return nil, fmt.Errorf("the names of roles: %q is not THEIRS=OURS, with ours one of %s", pair, strings.Join(identity.Roles(), ", "))
		}
		p.RoleNames[theirs] = ours
	}
	if _, err := identity.NewTokens(*p, nil, time.Now); err != nil {
		return nil, err
	}
	return p, nil
}
