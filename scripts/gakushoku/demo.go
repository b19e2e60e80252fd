package main

import "gakushoku/internal/demo"

type demoCommand struct{}

func (demoCommand) Help() string {
	return `Places and pays orders over HTTP, breaks the read model as a bad deployment would, finds what happened by its correlation id, reprojects, and checks every step. Nothing is left behind.`
}

func (demoCommand) Run(p *program) error { return demo.Run(p.ctx, p.stdout, colour(p.stdout)) }
