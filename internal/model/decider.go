package model

import "gakushoku/internal/event"

// Command is what a client asks of one aggregate.
type Command interface {
	// CommandName is the commandName of log lines, such as "ReturnBook".
	CommandName() string
}

// Creating is a command that begins a stream. Its client may leave the id to the system.
type Creating[C any] interface {
	ID() string // "" when the client named none
	WithID(id string) C
}

// Decider is the pure rules of one kind of aggregate.
type Decider[S any, C Command] struct {
	Kind   event.Kind
	Decide func(S, C) ([]event.Payload, error)
	Evolve func(S, *event.Event) (S, error)
}
