// Package health is the function that reports the state of each part of the system.
package health

import (
	"time"

	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/app/lambdas/api"
	"gakushoku/internal/app/lambdas/lag"
	"gakushoku/internal/canteen"
	"gakushoku/internal/edge/httpapi"
	"gakushoku/internal/edge/payment"
	"gakushoku/internal/operate/health"
)

// Build returns the function's handler.
func Build(s *lambdas.System) (api.Handler, error) {
	probes := []health.Probe{
		health.EventStore(s.Events),
		health.ReadModel(s.Control, s.Tables, canteen.Projections().Names()...),
		health.ProjectionLag(lag.Max, lag.Of(s.Control, lag.Projector)),
		health.LogLag(lag.Max, lag.Of(s.Control, lag.Archiver)),
		health.AuditChain(s.Control, nil),
		health.Parked(s.Control, s.Tables, canteen.Projections().Names()...),
	}
	payments, err := s.Config.Payments()
	if err != nil {
		return nil, err
	}
	if payments != nil {
		probes = append(probes, payment.Health(payments))
	}
	return api.Public(s, httpapi.Config{Parts: httpapi.PartHealth, Health: &health.Checker{Now: time.Now, Probes: probes}})
}
