package model

import "gakushoku/internal/event"

// Command is a client's request to change one aggregate.
type Command interface {
	// CommandName returns the name in log lines, such as "ReturnBook".
	CommandName() string
}

// Confiding is a payload with words that people have chosen freely, which may name a person. They are not part of
// the payload: who executes the command encrypts them under the key of the caller.
type Confiding interface {
	event.Payload
	Words() string
}

// Creating is a command that begins a stream. The client may leave the choice of the id to the system.
type Creating[C any] interface {
	ID() string // returns "" if the client chose no id
	WithID(id string) C
}

// Decider holds the pure rules of one kind of aggregate.
type Decider[S any, C Command] struct {
	Kind   event.Kind
	Decide func(S, C) ([]event.Payload, error) // no events: all that the command asks for is done already
	Evolve func(S, *event.Event) (S, error)
	// Snapshots say how states are stored, so that long streams are not folded from their first event each time.
	// It is nil for aggregates whose streams are short.
	Snapshots *Snapshots[S]
	// Owner returns the caller who began the aggregate, "" if none is known. It is nil for aggregates without
	// an owner.
	Owner func(S) string
}

// Snapshots say how the states of one kind of aggregate are stored. What is stored may be older than the code: a
// state of another revision is not read. It may be kept longer than an erasure of a subject takes, so a state
// that names a person must not have Snapshots.
type Snapshots[S any] struct {
	// Revision is that of Evolve and of the stored form. A change of what either brings out needs a new one.
	Revision int
	Encode   func(S) ([]byte, error)
	Decode   func([]byte) (S, error)
}
