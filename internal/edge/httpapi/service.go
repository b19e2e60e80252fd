package httpapi

import (
	"net/http"
	"time"

	"gakushoku/infra"
	"gakushoku/internal/edge/identity"
	"gakushoku/internal/event"
	"gakushoku/internal/operate/health"
)

// healthRetry is when to ask again after a part was failing.
const healthRetry = 5 * time.Second

func serviceRoutes() []route {
	return []route{
		{operation{"beginSession", http.MethodPost, "/session", nil}, PartCommands, input{}, beginSession},
		{operation{"getHealth", http.MethodGet, "/health", nil}, PartHealth, input{}, getHealth},
		{operation{"getReadiness", http.MethodGet, "/health/ready", nil}, PartHealth, input{}, getHealth},
		{operation{"getLiveness", http.MethodGet, "/health/live", nil}, PartHealth, input{}, getLiveness},
		{operation{"getOpenAPI", http.MethodGet, "/openapi.json", nil}, PartHealth, input{}, getOpenAPI},
	}
}

// getHealth serves /health and /health/ready. Every caller may see which parts are failing, but not the
// details, which reveal internals.
func getHealth(c *call) error {
	s := c.server
	report := s.Health.Check(c.Context())
	if out, ok := c.w.(*recorder); ok {
		out.planned = report.Planned()
	}
	if !s.mayLookInside(c.Request) {
		report = report.Outline()
	}
	status := http.StatusOK
	if report.Status != health.OK {
		status = http.StatusServiceUnavailable
		c.w.Header().Set("Retry-After", seconds(healthRetry))
	}
	return respond(c.w, status, report)
}

// mayLookInside reports whether a request may see what health found in each part.
func (s *server) mayLookInside(r *http.Request) bool {
	if s.Details != nil && s.Details(r) {
		return true
	}
	if s.Identify == nil {
		return false
	}
	caller, err := s.Identify(r)
	return err == nil && caller.Role != "" && caller.Can(identity.ScopeOpsRead)
}

// session is the body of the response to a guest whose session begins.
type session struct {
	Token     string        `json:"token"`
	Subject   string        `json:"subject"`
	ExpiresAt event.Instant `json:"expiresAt"`
}

// beginSession begins the session of a guest. Pages use the cookie, other clients the token.
func beginSession(c *call) error {
	if c.server.Sessions == nil {
		return &requestError{code: codeNoRoute, detail: "there are no guest sessions here: send a token or a device key"}
	}
	begun, err := c.server.Sessions.Issue(c.Context())
	if err != nil {
		return err
	}
	http.SetCookie(c.w, begun.Cookie(scheme(c.Request) == "https"))
	return respond(c.w, http.StatusCreated, session{begun.Token, begun.Subject, event.InstantOf(begun.Expires)})
}

// getLiveness checks nothing: a response is proof of life.
func getLiveness(c *call) error {
	return respond(c.w, http.StatusOK, map[string]health.Status{"status": health.OK})
}

func getOpenAPI(c *call) error {
	write(c.w, http.StatusOK, "application/json", infra.OpenAPI())
	return nil
}
