// Package memory stores events, rows, pointers and checkpoints in maps. It is for tests and simulations,
// which create and discard thousands of stores per second; no data survives the process. It implements the
// ports fully and passes the same contract suites as the stores on disk, so what is proved with it holds for
// them. Everything is safe for concurrent use, and callers never share memory with the stores.
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
	if r.Task != nil {
		task := *r.Task
		r.Task = &task
	}
	return r
}

// after returns the index at which the page after cursor starts in sorted names.
func after(names []string, cursor string) []string {
	at, found := slices.BinarySearch(names, cursor)
	if found {
		at++
	}
	return names[at:]
}
