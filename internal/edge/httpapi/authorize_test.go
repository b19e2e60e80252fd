package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"gakushoku/internal/edge/identity"
	"gakushoku/internal/edge/identity/devissuer"
	"gakushoku/internal/engine/credential"
	"gakushoku/internal/engine/query"
	"gakushoku/internal/observe"
	"gakushoku/internal/store/memory"
)

// gated is a canteen that asks who its callers are.
type gated struct {
	*canteen
	issuer *devissuer.Key
	keys   credential.Keys
}

func newGated(t *testing.T, changes ...func(*Config)) *gated {
	t.Helper()
	issuer, err := devissuer.New()
	if err != nil {
		t.Fatal(err)
	}
	provider, err := issuer.Provider()
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return start }
	tokens, err := identity.NewTokens(provider, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	store := memory.NewControl()
	g := &gated{issuer: issuer, keys: credential.Keys{Store: store, Now: now}}
	who := &identity.Authenticator{
		Tokens: tokens, Devices: identity.NewDevices(g.keys, 0), Sessions: identity.NewSessions(credential.Secrets{Store: store, Now: now}, time.Second),
	}
	g.canteen = newCanteen(t, append([]func(*Config){func(c *Config) { c.Identify, c.Sessions = who.Identify, who.Sessions }}, changes...)...)
	return g
}

// as returns the header with which a subject sends requests in a role.
func (g *gated) as(subject, role string) string {
	g.t.Helper()
	token, err := g.issuer.Token(subject, role, start, time.Hour)
	if err != nil {
		g.t.Fatal(err)
	}
	return "Authorization: Bearer " + token
}

// guest returns the header of a new guest.
func (g *gated) guest() string {
	g.t.Helper()
	token, _ := g.send("POST /session", "").field("token").(string)
	return "Authorization: Bearer " + token
}

// requestTo returns a request to an operation of the contract that keeps to it, for an order that somebody else
// has placed.
func requestTo(path string, item *openapi3.PathItem, method string) (request, body string) {
	path = strings.NewReplacer("{id}", "o1", "{day}", "2026-01-24", "{productId}", "p1").Replace(path)
	if o := item.GetOperation(method); o.RequestBody != nil && o.RequestBody.Value.Required {
		body = `{}`
		if example := o.RequestBody.Value.Content.Get("application/json").Example; example != nil {
			raw, err := json.Marshal(example)
			if err != nil {
				panic(err)
			}
			body = string(raw)
		}
	}
	return method + " " + path, body
}

// The matrix of who may do what is in testdata/matrix.txt, for people to read. It is played, not computed: each
// role sends each request of the contract, those for an order for one that somebody else has placed.
func TestEveryRoleAgainstEveryRoute(t *testing.T) {
	t.Parallel()
	g := newGated(t, func(c *Config) { c.CardProvider = true })
	g.send("POST /orders", `{"orderId":"o1","total":780}`, g.as("somebody else", "cashier")).want(t, 201, "")
	g.project()
	roles := append([]string{"nobody"}, identity.Roles()...)
	rows := []string{fmt.Sprintf("%-44s", "operation")}
	for _, role := range roles {
		rows[0] += fmt.Sprintf(" %-9s", role)
	}
	var operations []string
	for path, item := range g.contract.document.Paths.Map() {
		for method := range item.Operations() {
			operations = append(operations, path+" "+method)
		}
	}
	slices.Sort(operations)
	for _, operation := range operations {
		path, method, _ := strings.Cut(operation, " ")
		row := fmt.Sprintf("%-44s", method+" "+path)
		for _, role := range roles {
			request, body := requestTo(path, g.contract.document.Paths.Value(path), method)
			var headers []string
			if role != "nobody" {
				headers = append(headers, g.as("me", role))
			}
			word := allowed(g.send(request, body, headers...))
			if word == "404" && !strings.HasPrefix(path, "/orders") {
				word = "yes" // it belongs to nobody, and there is none
			}
			row += fmt.Sprintf(" %-9s", word)
		}
		rows = append(rows, row)
	}
	for i := range rows {
		rows[i] = strings.TrimRight(rows[i], " ")
	}
	checkGolden(t, "matrix.txt", strings.Join(rows, "\n")+"\n")
}

// allowed says in a word what became of a request: whether its caller may send it, not whether its content was
// right.
func allowed(a answer) string {
	code, _ := a.field("code").(string)
	switch {
	case code == identity.CodeNoCredentials:
		return "401"
	case code == identity.CodeMissingScope:
		return "403"
	case a.StatusCode == http.StatusNotFound && strings.HasSuffix(code, "/not-found"):
		return "404"
	case a.StatusCode == http.StatusUnauthorized || a.StatusCode == http.StatusForbidden || a.StatusCode >= 500:
		return fmt.Sprint(a.StatusCode, " ", code)
	}
	return "yes"
}

// checkGolden compares text with a file of testdata, which UPDATE=1 writes.
func checkGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is another than it was (UPDATE=1 writes it):\n%s", path, diff)
	}
}

func TestEveryScopeOfTheContractIsSomebodys(t *testing.T) {
	t.Parallel()
	for _, o := range Operations() {
		for _, scope := range o.Needs {
			if !slices.ContainsFunc(identity.Roles(), func(role string) bool { return identity.CallerWith("x", role).Can(scope) }) {
				t.Errorf("%s needs %s, which no role has", o.ID, scope)
			}
		}
	}
}

func TestAGuestSeesAndChangesOwnOrdersOnly(t *testing.T) {
	t.Parallel()
	g := newGated(t, func(c *Config) { c.CardProvider = true })
	ann, bob := g.guest(), g.guest()
	g.send("POST /orders", `{"orderId":"o1","total":780}`, ann).want(t, 201, "")
	for _, projected := range []bool{false, true} {
		if projected {
			g.project()
		}
		min := map[bool]string{true: "If-Min-Version: 0", false: "If-Min-Version: 1"}[projected]
		g.send("GET /orders/o1", "", ann, min).want(t, 200, "")
		a := g.send("GET /orders/o1", "", bob, min).want(t, 404, "order/not-found")
		b := g.send("GET /orders/nothing", "", bob).want(t, 404, "order/not-found")
		if a.field("detail") != b.field("detail") || a.Header.Get("ETag") != "" {
			t.Errorf("another's order differs from one that is not there:\n%v %s\n%v %s", a.Header, a.body, b.Header, b.body)
		}
	}
	g.send("GET /orders/o1", "", bob, `If-None-Match: "1"`).want(t, 404, "order/not-found")
	g.send("GET /orders/o1", "", bob, "If-Min-Version: 99").want(t, 404, "order/not-found")
	g.send("GET /orders/o1", "", ann, "If-Min-Version: 99").want(t, 412, "order/version-not-reached")
	for _, change := range []string{"pay", "cancel"} {
		body := map[string]string{"pay": `{"paymentMethod":"CARD"}`}[change]
		a := g.send("POST /orders/o1/"+change, body, bob).want(t, 404, "order/not-found")
		b := g.send("POST /orders/nothing/"+change, body, bob).want(t, 404, "order/not-found")
		if strings.ReplaceAll(a.field("detail").(string), "o1", "nothing") != b.field("detail") {
			t.Errorf("another's order differs from one that is not there:\n%s\n%s", a.body, b.body)
		}
	}
	// An id that is taken is taken: the response does not tell by whom.
	theirs := g.send("POST /orders", `{"orderId":"o1","total":1}`, bob).want(t, 409, "order/already-exists")
	own := g.send("POST /orders", `{"orderId":"o1","total":1}`, ann).want(t, 409, "order/already-exists")
	if theirs.field("detail") != own.field("detail") {
		t.Errorf("another's id is told from an own one:\n%s\n%s", theirs.body, own.body)
	}
	if a := g.send("GET /orders", "", bob).want(t, 200, ""); strings.Contains(a.body, "o1") {
		t.Errorf("another's order is listed: %s", a.body)
	}
	g.send("GET /orders?day=2026-01-24", "", ann).want(t, 400, query.CodeInvalidBucket)
	g.send("GET /orders/o1/events", "", ann).want(t, 403, identity.CodeMissingScope)
	g.send("POST /orders/o1/pay", `{"paymentMethod":"CASH"}`, ann).want(t, 403, identity.CodeMissingScope)
	g.send("POST /orders/o1/pay", `{"paymentMethod":"CARD"}`, ann).want(t, 200, "")
	g.send("POST /orders/o1/cancel", "", g.as("till", "cashier")).want(t, 200, "")
	g.send("GET /orders/o1", "", g.as("screen", "kitchen")).want(t, 200, "")
}

func TestAnIdempotencyKeyBelongsToOneGuest(t *testing.T) {
	t.Parallel()
	g := newGated(t, func(c *Config) { c.CardProvider = true })
	ann, bob := g.guest(), g.guest()
	const key = "Idempotency-Key: lunch"
	first := g.send("POST /orders", `{"total":780}`, ann, key).want(t, 201, "")
	if again := g.send("POST /orders", `{"total":780}`, ann, key).want(t, 201, ""); again.field("orderId") != first.field("orderId") {
		t.Errorf("the guest's own repeat is another order: %s", again.body)
	}
	if other := g.send("POST /orders", `{"total":780}`, bob, key).want(t, 201, ""); other.field("orderId") == first.field("orderId") {
		t.Error("another guest's key gets this guest's order")
	}
	id, _ := first.field("orderId").(string)
	g.send("POST /orders/"+id+"/pay", `{"paymentMethod":"CARD"}`, ann, "Idempotency-Key: pay").want(t, 200, "")
	g.send("POST /orders/"+id+"/pay", `{"paymentMethod":"CARD"}`, bob, "Idempotency-Key: pay").want(t, 404, "order/not-found")
}

func TestAGuestCannotSayToHavePaidAtTheTill(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	ann := g.guest()
	g.send("POST /orders", `{"orderId":"o1","total":780}`, ann).want(t, 201, "")
	for _, method := range []string{"CASH", "CARD"} {
		g.send("POST /orders/o1/pay", `{"paymentMethod":"`+method+`"}`, ann).want(t, 403, identity.CodeMissingScope)
	}
	g.send("POST /orders/o1/pay", `{"paymentMethod":"CASH"}`, g.as("till", "cashier")).want(t, 200, "")
}

func TestRefusalsSayWhatIsMissing(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	a := g.send("POST /orders/o1/ready", "").want(t, 401, identity.CodeNoCredentials)
	if a.Header.Get("WWW-Authenticate") != `Bearer realm="gakushoku"` {
		t.Errorf("the challenge is %q", a.Header.Get("WWW-Authenticate"))
	}
	a = g.send("POST /orders/o1/ready", "", g.guest()).want(t, 403, identity.CodeMissingScope)
	if challenge := a.Header.Get("WWW-Authenticate"); !strings.Contains(challenge, `scope="orders:kitchen"`) || !strings.Contains(a.field("detail").(string), "orders:kitchen") {
		t.Errorf("%q %s", challenge, a.body)
	}
	a = g.send("GET /orders", "", "Authorization: Bearer rubbish").want(t, 401, identity.CodeInvalid)
	if !strings.Contains(a.Header.Get("WWW-Authenticate"), "invalid_token") {
		t.Errorf("the challenge is %q", a.Header.Get("WWW-Authenticate"))
	}
	g.send("POST /orders", `{"total":"rubbish"}`).want(t, 401, identity.CodeNoCredentials) // before its content
	g.send("GET /health/live", "", "Authorization: Bearer rubbish").want(t, 200, "")
	g.send("GET /nothing", "", "Authorization: Bearer rubbish").want(t, 404, codeNoRoute)
	g.send("GET /orders", "", g.as("a", "cashier"), g.as("b", "cashier")).want(t, 401, identity.CodeInvalid)
}

func TestADeviceKeyIsRefusedAfterItsRevocation(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	shown, key, err := g.keys.Create(t.Context(), "screen", "kitchen", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	g.send("GET /orders", "", "x-api-key: "+shown).want(t, 200, "")
	g.send("GET /sales/2026-01-24", "", "x-api-key: "+shown).want(t, 403, identity.CodeMissingScope)
	if _, err := g.keys.Revoke(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	later := newGatedAgain(t, g)
	later.send("GET /orders", "", "x-api-key: "+shown).want(t, 401, identity.CodeWrongKey)
}

// newGatedAgain is another process of the same installation, which has read nothing yet.
func newGatedAgain(t *testing.T, g *gated) *gated {
	t.Helper()
	again := *g
	again.canteen = newCanteen(t, func(c *Config) {
		c.Identify = (&identity.Authenticator{Devices: identity.NewDevices(g.keys, 0)}).Identify
	})
	return &again
}

func TestASessionIsACookieForPagesAndATokenForOthers(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	a := g.send("POST /session", "", "X-Forwarded-Proto: https").want(t, 201, "")
	cookie := a.Header.Get("Set-Cookie")
	for _, part := range []string{"HttpOnly", "SameSite=Lax", "Secure", a.field("token").(string)} {
		if !strings.Contains(cookie, part) {
			t.Errorf("the cookie %s lacks %s", cookie, part)
		}
	}
	value, _, _ := strings.Cut(cookie, ";")
	placed := g.send("POST /orders", `{"orderId":"o1","total":780}`, "Cookie: "+value).want(t, 201, "")
	events, err := g.events.Load(t.Context(), "order-o1", 0)
	if err != nil || events[0].Actor != a.field("subject") {
		t.Errorf("%s was placed by %q, %v, want %v", placed.body, events[0].Actor, err, a.field("subject"))
	}
	g.send("POST /session", "", "Cookie: "+value, "Authorization: Bearer rubbish").want(t, 201, "") // whoever lost one begins another
	off := newGated(t, func(c *Config) { c.Sessions = nil })
	off.send("POST /session", "").want(t, 404, codeNoRoute)
}

func TestWhoSendsTooMuchIsToldWhenToComeAgain(t *testing.T) {
	t.Parallel()
	g := newGated(t, func(c *Config) { c.Limiter = identity.NewLimiter(0.25, 2, func() time.Time { return start }) })
	ann, bob := g.as("ann", "cashier"), g.as("bob", "cashier")
	for range 2 {
		g.send("GET /orders", "", ann).want(t, 200, "")
	}
	if a := g.send("GET /orders", "", ann).want(t, 429, identity.CodeThrottled); a.Header.Get("Retry-After") != "4" {
		t.Errorf("Retry-After %q", a.Header.Get("Retry-After"))
	}
	g.send("GET /orders", "", bob).want(t, 200, "")
	for range 2 {
		g.send("GET /orders", "", "Authorization: Bearer rubbish").want(t, 401, identity.CodeInvalid)
	}
	g.send("GET /orders", "", "Authorization: Bearer rubbish").want(t, 429, identity.CodeThrottled) // guessing is bounded too
	g.send("POST /session", "").want(t, 429, identity.CodeThrottled)
	g.send("GET /health/live", "").want(t, 200, "")
}

func TestWithoutIdentitiesEverybodyMayDoEverything(t *testing.T) {
	t.Parallel()
	c := newCanteen(t)
	c.send("POST /orders", `{"orderId":"o1","total":780}`).want(t, 201, "")
	c.send("POST /orders/o1/pay", `{"paymentMethod":"CASH"}`).want(t, 200, "")
	c.send("POST /orders/o1/prepare", "").want(t, 200, "")
	c.send("GET /orders/o1/events", "").want(t, 200, "")
}

func TestOnlyOperatorsLookInsideHealth(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	for role, inside := range map[string]bool{"operator": true, "auditor": true, "guest": false, "kitchen": false} {
		a := g.send("GET /health", "", g.as("me", role))
		if strings.Contains(a.body, "durationMs") != inside {
			t.Errorf("%s: %s", role, a.body)
		}
	}
	if a := g.send("GET /health", ""); strings.Contains(a.body, "durationMs") {
		t.Errorf("nobody: %s", a.body)
	}
}

func TestRestrictedHandlersServeWhoHasTheScope(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	metrics := Restrict(g.config, identity.ScopeOpsRead, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, observe.CallerOf(r.Context()).Role)
	}))
	for header, status := range map[string]int{g.as("me", "operator"): 200, g.as("me", "guest"): 403, "X: y": 401} {
		name, value, _ := strings.Cut(header, ": ")
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
		r.Header.Set(name, value)
		w := &wholeResponse{header: http.Header{}}
		metrics.ServeHTTP(w, r)
		if got := max(w.status, 200); got != status {
			t.Errorf("%s: %d, want %d", header, got, status)
		}
	}
}
