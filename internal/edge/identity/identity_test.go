package identity

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"gakushoku/internal/engine/credential"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/memory"
)

// entrance is an Authenticator with all of its parts, over a store in memory.
type entrance struct {
	*Authenticator
	*clock
	keys    credential.Keys
	secrets credential.Secrets
}

func newEntrance(t *testing.T) *entrance {
	c, store := newClock(), memory.NewControl()
	e := &entrance{clock: c, keys: credential.Keys{Store: store, Now: c.now}, secrets: credential.Secrets{Store: store, Now: c.now}}
	e.Authenticator = &Authenticator{
		Tokens:  newProvider(t, "ed").tokens(t, c.now),
		Devices: NewDevices(e.keys, time.Second), Sessions: NewSessions(e.secrets, 10*time.Second),
		Keys: map[string]observe.Caller{credential.Digest("6f1c"): CallerWith("till", "cashier")},
	}
	return e
}

func (e *entrance) key(t *testing.T, name, role string) (string, credential.Key) {
	t.Helper()
	shown, key, err := e.keys.Create(t.Context(), name, role, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return shown, key
}

func (e *entrance) session(t *testing.T) Session {
	t.Helper()
	s, err := e.Sessions.Issue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEachKindOfCredentialIsAccepted(t *testing.T) {
	t.Parallel()
	e := newEntrance(t)
	device, _ := e.key(t, "screen", "kitchen")
	session := e.session(t)
	token := sign(t, jose.EdDSA, signing()["ed"], "ed", claims(map[string]any{"roles": "auditor"}))
	for what, tt := range map[string]struct {
		headers    []string
		name, role string
	}{
		"nothing":                {nil, "", ""},
		"a token":                {[]string{"Authorization", "Bearer " + token}, nameOf(issuer, "9f2c"), "auditor"},
		"in small letters":       {[]string{"authorization", "bearer  " + token}, nameOf(issuer, "9f2c"), "auditor"},
		"a device key":           {[]string{"x-api-key", device}, "screen", "kitchen"},
		"the same as a token":    {[]string{"Authorization", "Bearer " + device}, "screen", "kitchen"},
		"a configured key":       {[]string{"X-Api-Key", "6f1c"}, "till", "cashier"},
		"a session":              {[]string{"Authorization", "Bearer " + session.Token}, session.Subject, "guest"},
		"a session as a cookie":  {[]string{"Cookie", sessionCookie + "=" + session.Token}, session.Subject, "guest"},
		"a header beside cookie": {[]string{"Cookie", sessionCookie + "=" + session.Token, "x-api-key", device}, "screen", "kitchen"},
		"a broken cookie":        {[]string{"Cookie", sessionCookie + "=gas_x.y"}, "", ""},
		"another cookie":         {[]string{"Cookie", "theme=dark"}, "", ""},
	} {
		got, err := e.Identify(request(t, tt.headers...))
		if err != nil || got.Name != tt.name || got.Role != tt.role || !got.Can(ScopeMenuRead) {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
}

func TestCredentialsThatAreNotAcceptedAreRefused(t *testing.T) {
	t.Parallel()
	e := newEntrance(t)
	device, _ := e.key(t, "screen", "kitchen")
	_, unknownRole := e.key(t, "old", "chef")
	session := e.session(t)
	other := newEntrance(t).session(t)
	token := sign(t, jose.EdDSA, signing()["ed"], "ed", claims(nil))
	for what, tt := range map[string]struct {
		code    string
		headers []string
	}{
		"two Authorization headers":      {CodeInvalid, []string{"Authorization", "Bearer " + token, "Authorization", "Bearer " + token}},
		"a token and a key":              {CodeInvalid, []string{"Authorization", "Bearer " + token, "x-api-key", device}},
		"two keys":                       {CodeInvalid, []string{"x-api-key", device, "x-api-key", device}},
		"an empty header":                {CodeInvalid, []string{"Authorization", ""}},
		"no token":                       {CodeInvalid, []string{"Authorization", "Bearer "}},
		"another scheme":                 {CodeInvalid, []string{"Authorization", "Basic " + token}},
		"an oversized token":             {CodeInvalid, []string{"Authorization", "Bearer " + strings.Repeat("x", maxCredential+1)}},
		"an oversized key":               {CodeWrongKey, []string{"x-api-key", strings.Repeat("x", maxCredential+1)}},
		"an empty key":                   {CodeWrongKey, []string{"x-api-key", ""}},
		"an unknown key":                 {CodeWrongKey, []string{"x-api-key", "wrong"}},
		"a key with a changed end":       {CodeWrongKey, []string{"x-api-key", device[:len(device)-2] + "zz"}},
		"the digest of a key":            {CodeWrongKey, []string{"x-api-key", credential.Digest(device)}},
		"the digest of a role that left": {CodeWrongKey, []string{"x-api-key", unknownRole.Digest}},
		"a session of elsewhere":         {CodeInvalid, []string{"Authorization", "Bearer " + other.Token}},
		"a session with another subject": {CodeInvalid, []string{"Authorization", "Bearer " + strings.Replace(session.Token, session.Token[30:32], "AA", 1)}},
		"a session without signature":    {CodeInvalid, []string{"Authorization", "Bearer " + session.Token[:strings.Index(session.Token, ".")+1]}},
		"a session of nothing":           {CodeInvalid, []string{"Authorization", "Bearer " + sessionPrefix}},
	} {
		got, err := e.Identify(request(t, tt.headers...))
		wantRefused(t, what, got, err, tt.code)
	}
}

func TestARevokedKeyIsRefusedWithinSeconds(t *testing.T) {
	t.Parallel()
	e := newEntrance(t)
	shown, key := e.key(t, "screen", "kitchen")
	identify := func() (observe.Caller, error) { return e.Identify(request(t, "x-api-key", shown)) }
	if _, err := identify(); err != nil {
		t.Fatal(err)
	}
	if _, err := e.keys.Revoke(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	e.pass(time.Second)
	got, err := identify()
	wantRefused(t, "a replayed key", got, err, CodeWrongKey)
}

func TestAKeyIsAcceptedSoonAfterItIsMadeAndUntilItExpires(t *testing.T) {
	t.Parallel()
	e := newEntrance(t)
	e.key(t, "first", "kitchen")
	e.Identify(request(t, "x-api-key", "unknown")) //nolint:errcheck // it makes the keys known
	shown, _ := e.key(t, "second", "kitchen")
	e.pass(100 * time.Millisecond)
	if _, err := e.Identify(request(t, "x-api-key", shown)); err != nil {
		t.Errorf("a new key: %v", err)
	}
	e.pass(time.Hour - 200*time.Millisecond)
	if _, err := e.Identify(request(t, "x-api-key", shown)); err != nil {
		t.Errorf("just before its end: %v", err)
	}
	e.pass(time.Second)
	got, err := e.Identify(request(t, "x-api-key", shown))
	wantRefused(t, "an expired key", got, err, CodeWrongKey)
}

func TestASessionLastsADayAndSurvivesARotation(t *testing.T) {
	t.Parallel()
	e := newEntrance(t)
	session := e.session(t)
	identify := func() (observe.Caller, error) {
		return e.Identify(request(t, "Authorization", "Bearer "+session.Token))
	}
	if _, err := e.secrets.Rotate(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	e.pass(SessionLasts - time.Second)
	e.session(t)
	if got, err := identify(); err != nil || got.Name != session.Subject {
		t.Errorf("within the day, after a rotation: %+v, %v", got, err)
	}
	if next := e.session(t); next.Subject == session.Subject {
		t.Error("two sessions have one subject")
	}
	e.pass(time.Second)
	got, err := identify()
	wantRefused(t, "after a day", got, err, CodeInvalid)
}

func TestSessionsOfALeakedSecretAreRefused(t *testing.T) {
	t.Parallel()
	e := newEntrance(t)
	leaked := e.session(t)
	if _, err := e.secrets.Rotate(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	e.pass(10 * time.Second)
	got, err := e.Identify(request(t, "Authorization", "Bearer "+leaked.Token))
	wantRefused(t, "a session of the old secret", got, err, CodeInvalid)
	if _, err := e.Identify(request(t, "Authorization", "Bearer "+e.session(t).Token)); err != nil {
		t.Errorf("a session of the new secret: %v", err)
	}
}

func TestAPageOfAnotherSiteCannotUseTheCookie(t *testing.T) {
	t.Parallel()
	e := newEntrance(t)
	cookie := sessionCookie + "=" + e.session(t).Token
	for site, ok := range map[string]bool{"cross-site": false, "same-site": false, "same-origin": true, "none": true} {
		got, err := e.Identify(request(t, "Cookie", cookie, "Sec-Fetch-Site", site))
		if ok && (err != nil || got.Role != RoleGuest) {
			t.Errorf("%s: %+v, %v", site, got, err)
		}
		if !ok {
			wantRefused(t, site, got, err, CodeInvalid)
		}
	}
}

func TestACookieIsOutOfReachOfScripts(t *testing.T) {
	t.Parallel()
	s := newEntrance(t).session(t)
	got := s.Cookie(true).String()
	for _, part := range []string{sessionCookie + "=" + s.Token, "HttpOnly", "SameSite=Lax", "Secure", "Max-Age=86400", "Path=/"} {
		if !strings.Contains(got, part) {
			t.Errorf("%s lacks %s", got, part)
		}
	}
	if strings.Contains(s.Cookie(false).String(), "Secure") {
		t.Error("a browser would not send it to http://127.0.0.1")
	}
}

func TestWhatIsNotConfiguredAcceptsNothing(t *testing.T) {
	t.Parallel()
	e := newEntrance(t)
	device, _ := e.key(t, "screen", "kitchen")
	session := e.session(t)
	closed := &Authenticator{}
	for what, tt := range map[string]struct {
		code    string
		headers []string
	}{
		"a token":   {CodeInvalid, []string{"Authorization", "Bearer " + sign(t, jose.EdDSA, signing()["ed"], "ed", claims(nil))}},
		"a key":     {CodeWrongKey, []string{"x-api-key", device}},
		"a session": {CodeInvalid, []string{"Authorization", "Bearer " + session.Token}},
	} {
		got, err := closed.Identify(request(t, tt.headers...))
		wantRefused(t, what, got, err, tt.code)
	}
	if got, err := closed.Identify(request(t)); err != nil || got != (observe.Caller{Scopes: ScopeMenuRead}) {
		t.Errorf("nothing: %+v, %v", got, err)
	}
	open := &Authenticator{Open: true}
	if got, err := open.Identify(request(t)); err != nil || !got.Can(ScopeOpsWrite) || got.Name != "" {
		t.Errorf("an open installation: %+v, %v", got, err)
	}
	got, err := open.Identify(request(t, "x-api-key", "wrong"))
	wantRefused(t, "a wrong key of an open installation", got, err, CodeWrongKey)
}

func TestACallerWhoSendsTooMuchWaits(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := NewLimiter(2, 3, c.now)
	from := func(address string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/menu", nil)
		r.RemoteAddr = address
		return r
	}
	wait := func(name, address string) time.Duration {
		delay, _ := l.Wait(observe.Caller{Name: name}, from(address))
		return delay
	}
	for range 3 {
		if d := wait("till", "10.0.0.1:1"); d != 0 {
			t.Errorf("within the burst: %s", d)
		}
	}
	if d := wait("till", "10.0.0.2:1"); d != 500*time.Millisecond {
		t.Errorf("the fourth at once, from elsewhere: %s", d)
	}
	if d := wait("kitchen", "10.0.0.1:1"); d != 0 {
		t.Errorf("another caller at that address: %s", d)
	}
	for _, address := range []string{"[2001:db8::1]:9", "[2001:db8::2%eth0]:9", "[2001:db8:0:0:9::3]:9"} {
		if d := wait("", address); d != 0 {
			t.Errorf("%s: %s", address, d)
		}
	}
	if d := wait("", "[2001:db8::4]:9"); d == 0 {
		t.Error("addresses of one network count one by one")
	}
	c.pass(500 * time.Millisecond)
	if d := wait("till", "10.0.0.1:1"); d != 0 {
		t.Errorf("after half a second: %s", d)
	}
}

func TestALimiterForgetsWhoHasBeenQuiet(t *testing.T) {
	t.Parallel()
	l := NewLimiter(1, 1, newClock().now)
	for i := range 3 * maxCallers {
		l.of(string(rune('a'+i%26)) + time.Duration(i).String())
	}
	if n := len(l.recent) + len(l.earlier); n > 2*maxCallers {
		t.Errorf("it remembers %d callers", n)
	}
	if first := l.of("x"); first != l.of("x") {
		t.Error("it forgets who is there")
	}
}

func TestRefusalsAreOfTheDomain(t *testing.T) {
	t.Parallel()
	for _, err := range []error{ErrWrongKey, refused("x"), NoCredentials(Need{"a"}), MissingScope("guest", Need{"a", "b"})} {
		var coded interface{ DomainCode() string }
		if !errors.As(err, &coded) || coded.DomainCode() == "" || err.Error() == "" {
			t.Errorf("%v has no code", err)
		}
	}
	if got := MissingScope("", Need{"orders:kitchen", "ops:read"}).(*Refused); !strings.Contains(got.Challenge, `scope="orders:kitchen ops:read"`) {
		t.Errorf("the challenge is %s", got.Challenge)
	}
}
