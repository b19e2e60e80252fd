package main

import (
	"github.com/rs/zerolog"

	"gakushoku/internal/observe"
	"gakushoku/internal/rehearse/demo"
)

type demoCommand struct{}

func (demoCommand) Help() string {
	return `Runs the system in a temporary folder, with guests who order, pay and ask until the end. Breaks a read model as a bad deployment would, finds a guest's payment by its correlation id, verifies, rebuilds the read model beside the live one, rolls back and forth, cleans up, and compares the log with the event store. Every step and every request is checked: the exit code is 0 only when all went well. Nothing is left behind.`
}

// Run discards the log lines of the demo's operator, which would clutter its output.
func (demoCommand) Run(p *program) error {
	return demo.Run(observe.WithLogger(p.ctx, zerolog.Nop()), p.stdout, colour(p.stdout))
}
