package identity

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"gakushoku/internal/fault"
	"gakushoku/internal/observe"
)

func TestATokenOfTheProviderNamesItsCallerAndRole(t *testing.T) {
	t.Parallel()
	p, c := newProvider(t, "rsa", "ec", "ed"), newClock()
	tokens := p.tokens(t, c.now)
	for id, algorithm := range map[string]jose.SignatureAlgorithm{"rsa": jose.RS256, "ec": jose.ES256, "ed": jose.EdDSA} {
		got, err := tokens.Verify(t.Context(), sign(t, algorithm, signing()[id], id, claims(nil)))
		if err != nil || got.Role != "kitchen" || !got.Can(ScopeOrdersKitchen) || got.Can(ScopeOrdersOwn) || got.Name != nameOf(issuer, "9f2c") {
			t.Errorf("%s: %+v, %v", id, got, err)
		}
	}
	if n := p.fetched.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
}

func TestRolesComeFromTheClaimThatIsConfigured(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		claim string
		more  map[string]any
		want  string
	}{
		{"", map[string]any{"roles": "cashier kitchen"}, "cashier kitchen"},
		{"", map[string]any{"roles": []string{"nobody", "cashier", "cashier"}}, "cashier"},
		{"", map[string]any{"roles": []any{7, "auditor"}}, "auditor"},
		{"", map[string]any{"roles": nil}, "guest"},
		{"", map[string]any{"roles": map[string]any{"operator": true}}, "guest"},
		{"cognito:groups", map[string]any{"cognito:groups": []string{"Canteen-Staff"}}, "kitchen"},
		{"realm_access.roles", map[string]any{"roles": nil, "realm_access": map[string]any{"roles": []string{"operator"}}}, "operator"},
		{"https://canteen.example/roles", map[string]any{"https://canteen.example/roles": "auditor"}, "auditor"},
	} {
		tokens := &Tokens{provider: Provider{RoleClaim: tt.claim, RoleNames: map[string]string{"Canteen-Staff": "kitchen"}}}
		if tt.claim == "" {
			tokens.provider.RoleClaim = "roles"
		}
		raw, err := json.Marshal(tt.more)
		if err != nil {
			t.Fatal(err)
		}
		var all map[string]any
		if err := json.Unmarshal(raw, &all); err != nil {
			t.Fatal(err)
		}
		if got := CallerWith("x", tokens.rolesIn(all)...).Role; got != tt.want {
			t.Errorf("%q of %s: %q, want %q", tt.claim, raw, got, tt.want)
		}
	}
}

func TestWhatNamesAPersonIsNotTheName(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, subject := range []string{"ann@example.com", "arn:aws:iam::1:user/ann", "9f2c", "山田"} {
		name := nameOf(issuer, subject)
		if strings.Contains(name, subject) || len(name) != len("user-")+26 || names[name] || name != nameOf(issuer, subject) || name == nameOf("another", subject) {
			t.Errorf("%s becomes %s", subject, name)
		}
		names[name] = true
	}
}

// forged returns a token with any header and content.
func forged(header string, content map[string]any, signature []byte) string {
	raw, err := json.Marshal(content)
	if err != nil {
		panic(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(header)) + "." + encode(raw) + "." + encode(signature)
}

func TestAttacksWithTokensAreRefused(t *testing.T) {
	t.Parallel()
	p, c := newProvider(t, "rsa", "ec"), newClock()
	tokens := p.tokens(t, c.now)
	another, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public("rsa"))
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	publicJWK, err := json.Marshal(jose.JSONWebKey{Key: public("rsa"), KeyID: "rsa"})
	if err != nil {
		t.Fatal(err)
	}
	rs := func(content map[string]any) string { return sign(t, jose.RS256, signing()["rsa"], "rsa", content) }
	good := rs(claims(nil))
	parts := strings.Split(good, ".")
	embedded := func() string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: another}, &jose.SignerOptions{EmbedJWK: true})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(claims(nil))
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signer.Sign(raw)
		if err != nil {
			t.Fatal(err)
		}
		compact, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return compact
	}
	for what, token := range map[string]string{
		"expired":                       rs(claims(map[string]any{"exp": noon.Add(-61 * time.Second).Unix()})),
		"not yet valid":                 rs(claims(map[string]any{"nbf": noon.Add(61 * time.Second).Unix()})),
		"issued in the future":          rs(claims(map[string]any{"iat": noon.Add(time.Hour).Unix()})),
		"without an end":                rs(claims(map[string]any{"exp": nil})),
		"another issuer":                rs(claims(map[string]any{"iss": "https://evil.example.com"})),
		"no issuer":                     rs(claims(map[string]any{"iss": nil})),
		"another audience":              rs(claims(map[string]any{"aud": "payroll"})),
		"no audience":                   rs(claims(map[string]any{"aud": nil})),
		"another client":                rs(claims(map[string]any{"aud": nil, "client_id": "payroll"})),
		"a client beside an audience":   rs(claims(map[string]any{"aud": "payroll", "client_id": audience})),
		"no subject":                    rs(claims(map[string]any{"sub": nil})),
		"a huge subject":                rs(claims(map[string]any{"sub": strings.Repeat("x", 256)})),
		"alg=none":                      forged(`{"alg":"none","typ":"JWT","kid":"rsa"}`, claims(nil), nil),
		"alg=None":                      forged(`{"alg":"None","kid":"rsa"}`, claims(nil), nil),
		"alg=none, no kid":              forged(`{"alg":"none"}`, claims(nil), nil),
		"HS256 with the public key":     sign(t, jose.HS256, publicPEM, "rsa", claims(nil)),
		"HS256 with the published key":  sign(t, jose.HS256, publicJWK, "rsa", claims(nil)),
		"another algorithm of the key":  sign(t, jose.PS256, signing()["rsa"], "rsa", claims(nil)),
		"the id of a key of other type": sign(t, jose.RS256, signing()["rsa"], "ec", claims(nil)),
		"another key with that id":      sign(t, jose.RS256, another, "rsa", claims(nil)),
		"an unknown key":                sign(t, jose.RS256, another, "unknown", claims(nil)),
		"no key id":                     sign(t, jose.RS256, signing()["rsa"], "", claims(nil)),
		"a key that it brings itself":   embedded(),
		"changed claims":                parts[0] + "." + strings.Split(rs(claims(map[string]any{"roles": "operator"})), ".")[1] + "." + parts[2],
		"no signature":                  parts[0] + "." + parts[1] + ".",
		"two parts":                     parts[0] + "." + parts[1],
		"four parts":                    good + "." + parts[2],
		"rubbish":                       "rubbish",
		"a token for logging out":       forged(`{"alg":"RS256","typ":"logout+jwt","kid":"rsa"}`, claims(nil), []byte("x")),
		"a critical header":             forged(`{"alg":"RS256","kid":"rsa","crit":["x"],"x":1}`, claims(nil), []byte("x")),
	} {
		got, err := tokens.Verify(t.Context(), token)
		wantRefused(t, what, got, err, CodeInvalid)
	}
	if _, err := tokens.Verify(t.Context(), good); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func TestClocksMayBeAMinuteApart(t *testing.T) {
	t.Parallel()
	p, c := newProvider(t, "ed"), newClock()
	tokens := p.tokens(t, c.now)
	for what, more := range map[string]map[string]any{
		"just expired": {"exp": noon.Add(-59 * time.Second).Unix()}, "soon valid": {"nbf": noon.Add(59 * time.Second).Unix(), "iat": noon.Add(59 * time.Second).Unix()},
		"no times but the end":     {"nbf": nil, "iat": nil},
		"an access token's client": {"aud": nil, "client_id": audience},
		"many audiences":           {"aud": []string{"payroll", audience}},
	} {
		if _, err := tokens.Verify(t.Context(), sign(t, jose.EdDSA, signing()["ed"], "ed", claims(more))); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestANewKeyIsFoundAndAnOldOneForgotten(t *testing.T) {
	t.Parallel()
	p, c := newProvider(t, "ec"), newClock()
	tokens := p.tokens(t, c.now)
	verify := func(id string, algorithm jose.SignatureAlgorithm) (observe.Caller, error) {
		return tokens.Verify(t.Context(), sign(t, algorithm, signing()[id], id, claims(map[string]any{"exp": noon.Add(48 * time.Hour).Unix()})))
	}
	if _, err := verify("ec", jose.ES256); err != nil {
		t.Fatal(err)
	}
	p.publish("ed")
	got, err := verify("ed", jose.EdDSA)
	wantRefused(t, "a new key just after a look-up", got, err, CodeInvalid)
	c.pass(keysPause)
	if _, err := verify("ed", jose.EdDSA); err != nil {
		t.Errorf("a new key after the pause: %v", err)
	}
	c.pass(keysPause)
	got, err = verify("ec", jose.ES256)
	wantRefused(t, "a key that the provider has withdrawn", got, err, CodeInvalid)
}

func TestAStormOfUnknownKeysFetchesOnce(t *testing.T) {
	t.Parallel()
	p, c := newProvider(t, "ec"), newClock()
	tokens := p.tokens(t, c.now)
	token := sign(t, jose.EdDSA, signing()["ed"], "unknown", claims(nil))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 20 {
				got, err := tokens.Verify(t.Context(), token)
				wantRefused(t, "an unknown key", got, err, CodeInvalid)
			}
		})
	}
	wg.Wait()
	if n := p.fetched.Load(); n != 1 {
		t.Errorf("400 tokens with an unknown key led to %d look-ups", n)
	}
}

func TestKeysAreUsedForADayWhileTheProviderIsDown(t *testing.T) {
	t.Parallel()
	p, c := newProvider(t, "ed"), newClock()
	tokens := p.tokens(t, c.now)
	token := sign(t, jose.EdDSA, signing()["ed"], "ed", claims(map[string]any{"exp": noon.Add(48 * time.Hour).Unix()}))
	p.down.Store(true)
	if _, err := tokens.Verify(t.Context(), token); fault.ClassOf(err) != fault.Infra {
		t.Errorf("before any key was fetched: %v", err)
	}
	p.down.Store(false)
	c.pass(keysAgain)
	if _, err := tokens.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	p.down.Store(true)
	c.pass(keysUsable - time.Second)
	if _, err := tokens.Verify(t.Context(), token); err != nil {
		t.Errorf("within a day: %v", err)
	}
	c.pass(time.Minute)
	if _, err := tokens.Verify(t.Context(), token); fault.ClassOf(err) != fault.Infra {
		t.Errorf("after a day: %v", err)
	}
}

func TestTheProvidersConfigurationSaysWhereItsKeysAre(t *testing.T) {
	t.Parallel()
	p, c := newProvider(t, "ed"), newClock()
	configuration := map[string]string{"jwks_uri": p.URL}
	var at string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/realm/.well-known/openid-configuration" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		json.NewEncoder(w).Encode(configuration) //nolint:errcheck // the client sees it
	}))
	t.Cleanup(server.Close)
	at = server.URL + "/realm"
	configuration["issuer"] = at
	verify := func() error {
		tokens, err := NewTokens(Provider{Issuer: at, Audiences: []string{audience}}, nil, c.now)
		if err != nil {
			t.Fatal(err)
		}
		_, err = tokens.Verify(t.Context(), sign(t, jose.EdDSA, signing()["ed"], "ed", claims(map[string]any{"iss": at})))
		return err
	}
	if err := verify(); err != nil {
		t.Error(err)
	}
	configuration["issuer"] = "https://login.example.com"
	if err := verify(); fault.ClassOf(err) != fault.Infra || !strings.Contains(err.Error(), "another issuer") {
		t.Errorf("the configuration of another issuer: %v", err)
	}
	configuration["issuer"], configuration["jwks_uri"] = at, "http://keys.example.com"
	if err := verify(); fault.ClassOf(err) != fault.Infra || !strings.Contains(err.Error(), "https://") {
		t.Errorf("keys over a connection that is not encrypted: %v", err)
	}
}

func TestAProviderThatCannotBeTrustedIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	for what, p := range map[string]Provider{
		"no issuer":               {Audiences: []string{"a"}},
		"no audience":             {Issuer: issuer},
		"an issuer without TLS":   {Issuer: "http://login.example.com", Audiences: []string{"a"}},
		"keys without TLS":        {Issuer: issuer, Audiences: []string{"a"}, KeySet: "http://login.example.com/keys"},
		"an issuer, no address":   {Issuer: "urn:x", Audiences: []string{"a"}},
		"a key set without keys":  {Issuer: issuer, Audiences: []string{"a"}, KeySet: `{"keys":[]}`},
		"a key set of a secret":   {Issuer: issuer, Audiences: []string{"a"}, KeySet: `{"keys":[{"kty":"oct","kid":"x","k":"c2VjcmV0"}]}`},
		"a key set that is wrong": {Issuer: issuer, Audiences: []string{"a"}, KeySet: `{"keys":7}`},
	} {
		if _, err := NewTokens(p, nil, time.Now); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
}

func TestKeysThatDoNotVerifySignaturesAreSkipped(t *testing.T) {
	t.Parallel()
	small, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // it is to be refused
	if err != nil {
		t.Fatal(err)
	}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: public("ed"), KeyID: "good"},
		{Key: public("rsa"), KeyID: "named", Algorithm: "PS512"},
		{Key: &small.PublicKey, KeyID: "small"},
		{Key: public("ed"), KeyID: "encrypts", Use: "enc"},
		{Key: public("ed")},
		{Key: public("ec"), KeyID: "confused", Algorithm: "RS256"},
		{Key: public("ec"), KeyID: "good"}, // a second one of this id
		{Key: signing()["ed"], KeyID: "private"},
		{Key: []byte("secret"), KeyID: "secret", Algorithm: "HS256"},
	}}
	raw, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := parseKeySet(raw)
	if err != nil || len(keys) != 2 || keys["good"].algorithm != "EdDSA" || keys["named"].algorithm != "PS512" {
		t.Errorf("%v, %v", keys, err)
	}
}
