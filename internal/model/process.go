package model

import (
	"slices"

	"gakushoku/internal/event"
)

// Process is a projection whose rows say what has to be done next, and when: NewRow must return a ProcessRow.
// A worker takes the rows that are due, carries out the step, and records the outcome as a command on the
// row's stream, whose event moves the row on (infra/DESIGN.md section 13). Rows are folded, verified, rebuilt
// and explained like those of any projection.
type Process struct {
	Projection
	// Steps are the names of all steps, in the order in which a stream usually meets them.
	Steps []string
}

// ProcessRow is the row of a process: one stream, and what it waits for.
type ProcessRow interface {
	Row
	// Next returns what has to be done next; false if nothing has, at least until another event.
	Next() (Task, bool)
}

// Task is one step that a process has to carry out for one stream.
type Task struct {
	Step string        `json:"step"`           // one of the process's Steps
	Due  event.Instant `json:"due,omitzero"`   // not before this instant: that of the event which calls for it, or a deadline
	Undo bool          `json:"undo,omitempty"` // the step undoes what an earlier one may have done
}

// Processes are all process revisions in a program.
type Processes []Process

// Named returns the revisions of one process.
func (ps Processes) Named(name string) []Process {
	var revisions []Process
	for _, p := range ps {
		if p.Name == name {
			revisions = append(revisions, p)
		}
	}
	return revisions
}

// Names returns each process's name once, in the order of the definitions.
func (ps Processes) Names() []string {
	var names []string
	for _, p := range ps {
		if !slices.Contains(names, p.Name) {
			names = append(names, p.Name)
		}
	}
	return names
}
