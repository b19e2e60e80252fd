package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"gakushoku/internal/app/callers"
	"gakushoku/internal/app/embedded"
	"gakushoku/internal/edge/identity"
	"gakushoku/internal/edge/identity/devissuer"
	"gakushoku/internal/engine/credential"
	"gakushoku/internal/observe"
)

// callersFlags are the options of serve that say whose credentials are accepted.
type callersFlags struct {
	Issuer            string `help:"Issuer of the tokens that are accepted, as an address: an OpenID provider." env:"GAKUSHOKU_ISSUER" placeholder:"URL"`
	Audience          string `help:"Audiences of the tokens that are accepted, with commas between them." env:"GAKUSHOKU_AUDIENCE" placeholder:"NAMES"`
	JWKS              string `help:"Where the issuer's keys are: an address, a file, or the JSON Web Key Set itself. Default: where the issuer's configuration says." env:"GAKUSHOKU_JWKS" placeholder:"KEYS" name:"jwks"`
	RoleClaim         string `help:"Claim of a token that has the caller's roles; dots lead into objects. Default: ${default}." default:"roles" env:"GAKUSHOKU_ROLE_CLAIM" placeholder:"NAME"`
	RoleNames         string `help:"The issuer's names of roles and ours, as THEIRS=OURS,THEIRS=OURS." env:"GAKUSHOKU_ROLE_NAMES" placeholder:"NAMES"`
	DevelopmentIssuer bool   `help:"Accept the tokens that \"gakushoku token\" makes on this data folder, instead of a provider's." env:"GAKUSHOKU_DEVELOPMENT_ISSUER"`
	APIKeys           string `help:"Device keys beside those of \"gakushoku keys\", as NAME:ROLE=KEY,NAME:ROLE=KEY; a ROLE that is left out is cashier. Give them in the environment: others can see arguments." env:"GAKUSHOKU_API_KEYS" placeholder:"KEYS" name:"api-keys"`
	GuestSessions     bool   `help:"Whether anybody may begin a session as a guest (POST /session)." default:"true" negatable:"" env:"GAKUSHOKU_GUEST_SESSIONS"`
	GuestPortions     *int   `help:"How many portions of a product a guest may order at once; 0 for any number. Default: ${default}." default:"20" env:"GAKUSHOKU_GUEST_PORTIONS" placeholder:"N"`
	GuestOpenOrders   *int   `help:"How many orders that are not paid a guest may have; 0 for any number. Default: ${default}." default:"5" env:"GAKUSHOKU_GUEST_OPEN_ORDERS" placeholder:"N"`
	AllowAnonymous    bool   `help:"Let everybody do everything without credentials, on any address: for a server behind a gate of its own." env:"GAKUSHOKU_ALLOW_ANONYMOUS"`
	RequestsPerSecond *int   `help:"How many requests a caller may send in a second on average, and twice as many at once, before 429; 0 for any number. Default: ${default}." default:"50" env:"GAKUSHOKU_REQUESTS_PER_SECOND" placeholder:"N"`
}

// options returns whose credentials are accepted.
func (c *callersFlags) options(p *program) (callers.Options, error) {
	keys, err := parseKeys(c.APIKeys)
	if err != nil {
		return callers.Options{}, err
	}
	o := callers.Options{Keys: keys, NoGuests: !c.GuestSessions, Everybody: c.AllowAnonymous, PerSecond: *c.RequestsPerSecond}
	if c.DevelopmentIssuer {
		if c.Issuer != "" || c.JWKS != "" || c.Audience != "" {
			return o, usagef("--development-issuer stands in the place of --issuer, --audience and --jwks: choose one")
		}
		provider, err := developmentProvider(p)
		o.Provider = provider
		return o, err
	}
	jwks, err := keySetOf(c.JWKS)
	if err != nil {
		return o, err
	}
	o.Provider, err = callers.Settings{Issuer: c.Issuer, Audience: c.Audience, KeySet: jwks, RoleClaim: c.RoleClaim, RoleNames: c.RoleNames}.Provider()
	if err != nil {
		return o, usagef("--issuer, --audience, --jwks, --role-names: %v", err)
	}
	return o, nil
}

// developmentProvider returns the issuer of a data folder, which it makes if there is none.
func developmentProvider(p *program) (*identity.Provider, error) {
	var provider identity.Provider
	err := p.withFolder(true, func(f *embedded.Folder) error {
		key, err := devissuer.Open(f.Dir)
		if err == nil {
			provider, err = key.Provider()
		}
		return err
	})
	return &provider, err
}

// keySetOf returns what --jwks stands for: the content of a file, or the text itself.
func keySetOf(text string) (string, error) {
	if text == "" || strings.HasPrefix(text, "{") || strings.Contains(text, "://") {
		return text, nil
	}
	raw, err := os.ReadFile(text)
	if err != nil {
		return "", usagef("--jwks is no address and no key set, and as a file it cannot be read: %v", err)
	}
	return strings.TrimSpace(string(raw)), nil
}

// parseKeys parses NAME:ROLE=KEY pairs into callers by the keys' digests; an empty text has no keys. Its errors
// do not contain keys.
func parseKeys(text string) (map[string]observe.Caller, error) {
	keys := map[string]observe.Caller{}
	for i, pair := range strings.Split(text, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		caller, key, err := parseKey(strings.TrimSpace(pair))
		if err != nil {
			return nil, usagef("--api-keys: number %d %v", i+1, err)
		}
		digest := credential.Digest(key)
		if other, taken := keys[digest]; taken {
			return nil, usagef("--api-keys: %s and %s have the same key", other.Name, caller.Name)
		}
		keys[digest] = caller
	}
	if text != "" && len(keys) == 0 {
		return nil, usagef("--api-keys has no NAME:ROLE=KEY, as of a variable that is empty: give one, or unset GAKUSHOKU_API_KEYS")
	}
	return keys, nil
}

func parseKey(pair string) (observe.Caller, string, error) {
	named, key, ok := strings.Cut(pair, "=")
	name, role, given := strings.Cut(named, ":")
	switch {
	case !ok || name == "" || key == "":
		return observe.Caller{}, "", errors.New("is not NAME:ROLE=KEY")
	case !given:
		role = "cashier"
	case !identity.KnownRole(role):
		return observe.Caller{}, "", fmt.Errorf("has no role of ours: choose one of %s", strings.Join(identity.Roles(), ", "))
	}
	if err := credential.CheckName(name); err != nil {
		return observe.Caller{}, "", err
	}
	return identity.CallerWith(name, role), key, nil
}

// checkRole refuses a role that there is not.
func checkRole(role string) error {
	if !slices.Contains(identity.Roles(), role) {
		return usagef("--role %s: choose one of %s", role, strings.Join(identity.Roles(), ", "))
	}
	return nil
}
