// Package memory keeps events, rows, pointers and checkpoints in maps. It is for tests and
// simulations, where thousands of stores come and go in a second; nothing survives the
// process. It is a full implementation of the ports and passes the same contract suites as
// the stores on disk, so what is proved with it holds with them. Everything is safe for
// concurrent use, and nothing handed in or out shares memory with what is kept.
package memory

import (
	"slices"

	"gakushoku/internal/engine/projection"
	"gakushoku/internal/event"
)

func cloneEvent(e event.Event) event.Event {
	e.Payload = slices.Clone(e.Payload)
	return e
}

func cloneRecord(r projection.Record) projection.Record {
	r.Data = slices.Clone(r.Data)
	if r.Parked != nil {
		parked := *r.Parked
		r.Parked = &parked
	}
	return r
}

// after is where a page starts in sorted names that follow cursor.
func after(names []string, cursor string) []string {
	at, found := slices.BinarySearch(names, cursor)
	if found {
		at++
	}
	return names[at:]
}
