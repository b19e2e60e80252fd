package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"gakushoku/internal/observe"
)

// leeway is how far clocks may be apart.
const leeway = time.Minute

// Provider describes an OpenID provider whose tokens are accepted.
type Provider struct {
	Issuer    string   // as in the claim iss
	Audiences []string // one of them must be in aud, or be the client_id of a token without aud
	// KeySet is where the provider's keys are: an address, a JSON Web Key Set itself, or "" for where the
	// provider's configuration says.
	KeySet string
	// RoleClaim is the claim with the caller's roles, a text or a list of texts. Dots lead into objects.
	RoleClaim string
	// RoleNames maps the provider's names of roles to ours. Names that it lacks are ours already.
	RoleNames map[string]string
}

// Tokens accepts the tokens of a provider.
type Tokens struct {
	provider Provider
	now      func() time.Time
	keys     *cache[keySet]
	verified verified
}

// accepted are the algorithms of tokens: signatures that a public key verifies, and no others. Which one a
// token must have depends on its key.
var accepted = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// Verify returns the caller that a token describes. A token that was verified lately is only compared with the
// provider's keys as they are now.
func (t *Tokens) Verify(ctx context.Context, raw string) (observe.Caller, error) {
	digest := sha256.Sum256([]byte(raw))
	if known, ok := t.verified.of(digest, t.now()); ok {
		if key, err := t.key(ctx, known.keyID); err == nil && key.is(known.key) {
			return known.caller, nil
		}
	}
	return t.verify(ctx, raw, digest)
}

// key returns a key of the provider, the zero key if there is none of this id.
func (t *Tokens) key(ctx context.Context, id string) (pinned, error) {
	keys, err := t.keys.get(ctx, func(keys keySet) bool { _, ok := keys[id]; return ok })
	if err != nil {
		return pinned{}, fmt.Errorf("reading the keys of %s: %w", t.provider.Issuer, err)
	}
	return keys[id], nil
}

func (t *Tokens) verify(ctx context.Context, raw string, digest [sha256.Size]byte) (observe.Caller, error) {
	token, err := jwt.ParseSigned(raw, accepted)
	if err != nil || len(token.Headers) != 1 {
		return observe.Caller{}, refused("the token is not one that is signed with a provider's key")
	}
	header := token.Headers[0]
	if typ, ok := header.ExtraHeaders[jose.HeaderType].(string); ok && !strings.EqualFold(typ, "JWT") && !strings.EqualFold(strings.TrimPrefix(typ, "application/"), "at+jwt") {
		return observe.Caller{}, refused("the token is of another kind: send an access token or an ID token")
	}
	key, err := t.key(ctx, header.KeyID)
	if err != nil {
		return observe.Caller{}, err
	}
	if key.public == nil || key.algorithm != header.Algorithm {
		return observe.Caller{}, refused("the provider has no such key: get a new token")
	}
	var claims jwt.Claims
	var all map[string]any
	if err := token.Claims(key.public, &claims, &all); err != nil {
		return observe.Caller{}, refused("the token's signature or content is wrong")
	}
	if err := t.check(claims, all); err != nil {
		return observe.Caller{}, err
	}
	caller := CallerWith(nameOf(t.provider.Issuer, claims.Subject), t.rolesIn(all)...)
	caller.Person = personIn(all)
	t.verified.keep(digest, verifiedToken{caller: caller, keyID: header.KeyID, key: key}, t.now(), claims.Expiry.Time())
	return caller, nil
}

// personIn returns the name of a person in a token; "" if it has none. Addresses of e-mail are left out.
func personIn(all map[string]any) string {
	for _, name := range []string{"name", "preferred_username"} {
		if person, ok := all[name].(string); ok && person != "" && !strings.Contains(person, "@") {
			return person
		}
	}
	return ""
}

// maxSubject is the longest subject that OpenID Connect allows.
const maxSubject = 255

// check refuses claims that are not for this service, or not now.
func (t *Tokens) check(claims jwt.Claims, all map[string]any) error {
	if client, ok := all["client_id"].(string); ok && len(claims.Audience) == 0 {
		claims.Audience = jwt.Audience{client}
	}
	switch {
	case claims.Subject == "" || len(claims.Subject) > maxSubject:
		return refused("the token has no subject")
	case claims.Expiry == nil:
		return refused("the token does not say when it expires")
	}
	err := claims.ValidateWithLeeway(jwt.Expected{Issuer: t.provider.Issuer, AnyAudience: t.provider.Audiences, Time: t.now()}, leeway)
	switch {
	case errors.Is(err, jwt.ErrExpired):
		return refused("the token has expired: get a new one")
	case errors.Is(err, jwt.ErrNotValidYet), errors.Is(err, jwt.ErrIssuedInTheFuture):
		return refused("the token is not valid yet")
	case errors.Is(err, jwt.ErrInvalidIssuer):
		return refused("the token is of another issuer")
	case errors.Is(err, jwt.ErrInvalidAudience):
		return refused("the token is for another audience")
	case err != nil:
		return refused("the token's claims are not accepted")
	}
	return nil
}

// rolesIn returns our names of the roles in a token.
func (t *Tokens) rolesIn(all map[string]any) []string {
	var names []string
	switch claimed := claim(all, t.provider.RoleClaim).(type) {
	case string:
		names = strings.Fields(claimed)
	case []any:
		for _, one := range claimed {
			if name, ok := one.(string); ok {
				names = append(names, name)
			}
		}
	}
	for i, name := range names {
		if ours, ok := t.provider.RoleNames[name]; ok {
			names[i] = ours
		}
	}
	return names
}

// claim returns the claim of a name, or the one that the name's dots lead to.
func claim(all map[string]any, name string) any {
	if value, ok := all[name]; ok {
		return value
	}
	outer, inner, ok := strings.Cut(name, ".")
	if within, is := all[outer].(map[string]any); ok && is {
		return claim(within, inner)
	}
	return nil
}

// nameOf returns the name of a provider's subject. Subjects may be e-mail addresses or other names of people, so
// the name is a digest. It is the same for every token of a subject.
func nameOf(issuer, subject string) string {
	const size = 16
	sum := sha256.Sum256([]byte(issuer + "\x00" + subject))
	return "user-" + lowerBase32.EncodeToString(sum[:size])
}
