package httpapi

import (
	"net/http"
	"time"

	"gakushoku/infra"
	"gakushoku/internal/operate/health"
)

// healthRetry is when to ask again after a part was failing.
const healthRetry = 5 * time.Second

func serviceRoutes() []route {
	return []route{
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
	if s.Details == nil || !s.Details(c.Request) {
		report = report.Outline()
	}
	status := http.StatusOK
	if report.Status != health.OK {
		status = http.StatusServiceUnavailable
		c.w.Header().Set("Retry-After", seconds(healthRetry))
	}
	return respond(c.w, status, report)
}

// getLiveness checks nothing: a response is proof of life.
func getLiveness(c *call) error {
	return respond(c.w, http.StatusOK, map[string]health.Status{"status": health.OK})
}

func getOpenAPI(c *call) error {
	write(c.w, http.StatusOK, "application/json", infra.OpenAPI())
	return nil
}
