// Package command is the function that serves commands.
package command

import (
	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/app/lambdas/api"
	"gakushoku/internal/edge/httpapi"
)

// Build returns the function's handler.
func Build(s *lambdas.System) (api.Handler, error) {
	return api.Serve(s, httpapi.Config{Parts: httpapi.PartCommands, Commands: s.Ports(s.Control).Commands()})
}
