// Package process is the function that carries out the steps of processes that are due: deadlines, and what a
// request has not finished. A schedule invokes it each minute.
package process

import (
	"context"
	"encoding/json"

	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/edge/lambdaevent"
)

// Build returns the function's handler.
func Build(s *lambdas.System) (func(context.Context, json.RawMessage) (lambdaevent.Carried, error), error) {
	ports := s.Ports(s.Control)
	payments, err := s.Config.Payments()
	if err != nil {
		return nil, err
	}
	return lambdaevent.CarryOut(s.Logger, ports.Checkout(ports.Commands(), payments)), nil
}
