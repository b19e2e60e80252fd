package model

import "gakushoku/internal/event"

// Closing says which streams of one kind of aggregate are closed: nothing is expected to happen to them any more,
// so their events may be retired. Commands on a closed stream are executed all the same.
type Closing struct {
	Streams string // prefix of the names of the streams
	// Closed reports whether a stream is closed at an instant. Its events come whole, without what the engine adds.
	Closed func(stream string, history []event.Event, now event.Instant) (bool, error)
}

// ClosedStates returns the Closing of an aggregate whose folded state says whether it is closed.
func ClosedStates[S any, C Command](d Decider[S, C], closed func(S) bool) Closing {
	return Closing{Streams: d.Kind.Prefix, Closed: func(_ string, history []event.Event, _ event.Instant) (bool, error) {
		var state S
		var err error
		for i := range history {
			if state, err = d.Evolve(state, &history[i]); err != nil {
				return false, err
			}
		}
		return closed(state), nil
	}}
}
