package main

import (
	"github.com/rs/zerolog"

	"gakushoku/internal/demo"
	"gakushoku/internal/observe"
)

type demoCommand struct{}

func (demoCommand) Help() string {
	return `Places and pays orders over HTTP, breaks the read model as a bad deployment would, finds what happened by its correlation id, reprojects, and checks every step. Nothing is left behind.`
}

// Run tells the story alone: the log lines of its operator would run through it.
func (demoCommand) Run(p *program) error {
	return demo.Run(observe.WithLogger(p.ctx, zerolog.Nop()), p.stdout, colour(p.stdout))
}
