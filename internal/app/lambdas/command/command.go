// Package command is the function that serves commands.
package command

import (
	"context"

	"gakushoku/internal/app/lambdas"
	"gakushoku/internal/app/lambdas/api"
	"gakushoku/internal/app/wiring"
	"gakushoku/internal/edge/httpapi"
	engine "gakushoku/internal/engine/command"
)

// Build returns the function's handler.
func Build(s *lambdas.System) (api.Handler, error) {
	ports := s.Ports(s.Control)
	commands := ports.Commands()
	// Snapshots are written while the process is not frozen: on a stream that needs them, commands are frequent.
	later := engine.NewBackground()
	commands.Cache.Later = later.Later
	go later.Run(context.Background())
	payments, err := s.Config.Payments()
	if err != nil {
		return nil, err
	}
	return api.Serve(s, httpapi.Config{
		Parts: httpapi.PartCommands, Commands: commands, Complete: ports.Counter(s.Config.Guests).Complete,
		After: wiring.Inline(ports.Checkout(commands, payments)), CardProvider: payments != nil, Refused: ports.Recorder().Refused,
	})
}
