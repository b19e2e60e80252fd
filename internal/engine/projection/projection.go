// Package projection is the engine that turns events into rows: it skips duplicates, heals gaps, parks what
// cannot be applied, and keeps totals exact. Live delivery, catch-up and healing all call it; a projection
// itself is pure and lives in package readmodel. infra/DESIGN.md section 6 is the specification.
package projection

import (
	"fmt"

	"gakushoku/internal/event"
	"gakushoku/internal/model"
)

// Table is one version of a projection's stored rows and totals.
type Table struct {
	Projection string
	Version    int // 1, 2, 3...; never reused
}

// String returns the table's name in logs and stores, such as "loans-v1".
func (t Table) String() string { return fmt.Sprintf("%s-v%d", t.Projection, t.Version) }

// Record is one stored row.
type Record struct {
	Stream  string // the key: the stream that the row is folded from
	Version uint64 // of the last event in the row; 0 if the stream was parked before any
	Writes  uint64 // number of writes, which conditional writes compare
	Data    []byte // the row's JSON; nil at version 0
	Place   model.Place
	Parked  *Parked // set if the stream is parked
	Task    *Task   // set if the row is a process's, not parked, and waits for a step
}

// Visible reports whether readers may see the row.
func (r *Record) Visible() bool { return r != nil && r.Version > 0 }

// Parked says why a stream is parked in one projection: an event that cannot be applied.
type Parked struct {
	EventID      string        `json:"eventId"`
	EventVersion uint64        `json:"eventVersion"`
	Reason       string        `json:"reason"`
	Since        event.Instant `json:"since"`
	Attempts     int           `json:"attempts"`
}

// Change is a row to be written and its effect on totals.
type Change struct {
	Record
	Expected uint64               // the Writes of the row that was read; 0 if there was none
	Totals   []model.Contribution // differences to add; empty if totals do not change
}
