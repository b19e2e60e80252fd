package order

import (
	"gakushoku/internal/event"
)

// Command is one of the commands of this package.
type Command interface {
	// CommandName is the commandName of log lines, such as "PayOrder".
	CommandName() string
	decide(State) ([]event.Payload, error)
}

// Decide answers the events that a command leads to, or an *Error when the rules refuse it.
func Decide(s State, c Command) ([]event.Payload, error) { return c.decide(s) }
