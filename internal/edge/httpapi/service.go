package httpapi

import (
	"net/http"
	"time"

	"gakushoku/infra"
	"gakushoku/internal/operate/health"
)

// healthRetry is when to ask again after a part was failing.
const healthRetry = 5 * time.Second

// getHealth serves /health and /health/ready. Every caller may see which parts are failing, but not the
// details, which reveal internals.
func (s *server) getHealth(w http.ResponseWriter, r *http.Request) error {
	report := s.Health.Check(r.Context())
	if out, ok := w.(*recorder); ok {
		out.planned = report.Planned()
	}
	if s.Details == nil || !s.Details(r) {
		report = report.Outline()
	}
	status := http.StatusOK
	if report.Status != health.OK {
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", seconds(healthRetry))
	}
	return respond(w, status, report)
}

// getLiveness checks nothing: a response is proof of life.
func (s *server) getLiveness(w http.ResponseWriter, _ *http.Request) error {
	return respond(w, http.StatusOK, map[string]health.Status{"status": health.OK})
}

func (s *server) getOpenAPI(w http.ResponseWriter, _ *http.Request) error {
	write(w, http.StatusOK, "application/json", infra.OpenAPI())
	return nil
}
