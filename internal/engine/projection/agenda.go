package projection

import (
	"context"

	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// Task is what the row of a process waits for. It is stored and indexed with its row: a row that is written
// has the task of its new version, and nothing of what was tried before.
type Task struct {
	model.Task
	Tried
}

// Tried is what workers have recorded about the attempts at a task.
type Tried struct {
	Attempts int           `json:"attempts,omitempty"` // that failed
	Error    string        `json:"error,omitempty"`    // of the last one
	Again    event.Instant `json:"again,omitzero"`     // not tried again before
	Stuck    event.Instant `json:"stuck,omitzero"`     // since when only an operator has it tried again
}

// Time returns the instant from which the task may be tried; false if it is stuck.
func (t *Task) Time() (event.Instant, bool) { return max(t.Due, t.Again), t.Stuck.IsZero() }

// Same reports whether two rows wait for the same, whatever has been tried. Either may be nil.
func (t *Task) Same(other *Task) bool {
	if t == nil || other == nil {
		return t == other
	}
	return t.Task == other.Task
}

// Agenda is the port to the tasks of the rows of a process's table. Its contract is projectiontest.TestAgenda.
// A store may show a write in lists a little later; what it returns is read from the rows themselves.
type Agenda interface {
	// Due returns rows whose task may be tried at or before an instant, and that are not stuck, the longest
	// due first within each of the store's shards. It also returns the cursor of the next page, "" after the
	// last. Any page may be empty.
	Due(ctx context.Context, t Table, until event.Instant, cursor string, limit int) (records []Record, next string, err error)
	// Stuck returns the rows whose task is stuck, paged as those of Due.
	Stuck(ctx context.Context, t Table, cursor string, limit int) (records []Record, next string, err error)
	// OldestDue returns the earliest instant at which a task that is not stuck may be tried; the zero Instant
	// if there is no such task.
	OldestDue(ctx context.Context, t Table) (event.Instant, error)
	// SetTried replaces what is recorded about the attempts at the task of a row, if the row still has the
	// given row's version, task and record; otherwise it returns false. It does not count as a write of the
	// row, so that it never makes a writer of the row late.
	SetTried(ctx context.Context, t Table, row Record, tried Tried) (bool, error)
}

// taskOf returns the task of a row; nil if it has none.
func taskOf(row model.Row) *Task {
	p, ok := row.(model.ProcessRow)
	if !ok {
		return nil
	}
	next, ok := p.Next()
	if !ok {
		return nil
	}
	return &Task{Task: next}
}
