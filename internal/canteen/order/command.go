package order

import (
	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// Command is implemented by the commands of this package.
type Command interface {
	model.Command
	decide(State) ([]event.Payload, error)
}

// Rules are the rules of one order.
var Rules = model.Decider[State, Command]{Kind: kind, Decide: Decide, Evolve: Evolve, Owner: func(s State) string { return s.Owner }}

// Decide returns the events that a command leads to, or an *Error if the rules refuse the command.
func Decide(s State, c Command) ([]event.Payload, error) { return c.decide(s) }
