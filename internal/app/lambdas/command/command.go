// Package command is the function that serves commands.
package command

import (
	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/app/lambdas/api"
	"gakushoku/internal/edge/httpapi"
)

// Build returns the function's handler.
func Build(s *lambdas.System) (api.Handler, error) {
	ports := s.Ports(s.Control)
	return api.Serve(s, httpapi.Config{Parts: httpapi.PartCommands, Commands: ports.Commands(), Complete: ports.Counter().Complete})
}
